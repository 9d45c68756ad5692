"""Which fields of a row are its step and its time, and which are numbers: shared by all logs made of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from monitor.interop.records import ELAPSED, About, Note, Record, Scalars

#: The first that a log has is its step; the others stay series.
STEPS = ("step", "_step", "global_step", "global step", "iteration", "iter", "itr", "it", "batch", "epoch")
TIMES = ("wall_time", "wall time", "timestamp", "_timestamp", "_stamp", "time", "elapsed_time", "elapsed")


def scalars_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
    """The rows as records; without a step the rows are counted from 0."""
    for number, row in enumerate(rows):
        flat = dict(_flatten(row, ""))
        time_name = _find(flat, TIMES)
        time = None if time_name is None else number_of(flat.pop(time_name))
        step_name = _find(flat, STEPS)
        step = None if step_name is None else number_of(flat[step_name])
        if step is None or not step.is_integer() or abs(step) >= 2**63:
            step = number
        elif step_name is not None:
            del flat[step_name]
        values: dict[str, float] = {}
        for name, value in flat.items():
            found = number_of(value)
            if found is not None:
                values[name] = found
            elif value not in (None, "", "NA"):
                yield Note(f"{name!r} holds {type(value).__name__}, not numbers")
        if values:
            yield Scalars(int(step), time if time is not None and math.isfinite(time) else None, values)


def describe_rows(records: Iterable[Record]) -> About:
    """When a log of rows began and ended, where it says so."""
    times = [record.time for record in records if isinstance(record, Scalars) and record.time is not None]
    if not times or times[0] < ELAPSED:
        return About(ended=max(times, default=None))
    return About(began=times[0], ended=max(times))


def number_of(value: object) -> float | None:
    """The number that a field holds or spells; None where it is none. NaN and infinity are numbers."""
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    if not isinstance(value, str):
        return None
    try:
        return float(value.strip())
    except ValueError:
        return None


def _find(row: Mapping[str, Any], wanted: Iterable[str]) -> str | None:
    known = {name.lower(): name for name in row}
    return next((known[name] for name in wanted if name in known), None)


def _flatten(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flatten(inner, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", inner
