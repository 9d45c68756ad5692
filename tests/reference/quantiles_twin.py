"""The quantiles of a histogram, by writing out evenly spread values."""

from __future__ import annotations

import numpy as np


def quantile(
    left: list[float], right: list[float], count: list[int], share: float, fineness: int = 2000
) -> float:
    values = [
        lower + (upper - lower) * (i + 0.5) / (number * fineness)
        for lower, upper, number in zip(left, right, count, strict=True)
        for i in range(number * fineness)
    ]
    return float(np.sort(values)[min(int(share * len(values)), len(values) - 1)])
