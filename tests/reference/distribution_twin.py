"""Quantiles by interpolation in the sorted list, and the mean, in plain Python."""

import math
from collections.abc import Sequence

PERCENTS = {"min": 0, "p1": 1, "p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99, "max": 100}


def distribution(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    fields = {}
    for name, percent in PERCENTS.items():
        position = percent / 100 * (len(ordered) - 1)
        below, above = math.floor(position), math.ceil(position)
        fields[name] = ordered[below] + (position - below) * (ordered[above] - ordered[below])
    return {**fields, "mean": math.fsum(values) / len(values), "n": len(values)}
