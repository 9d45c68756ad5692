"""Series: what a run has logged, and the picture of it at any zoom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from monitor.protocol import DISTRIBUTION_FIELDS
from monitor.store.lineage import find_lineage
from monitor.store.plain import float_of, number_of
from monitor.store.schema import Batch, Series, Total
from monitor.store.summaries import Entries, entry_type
from monitor.store.tail import select_series
from monitor.store.tree import Tree
from monitor.store.view import Axis, Source, Window, bucketize

_WIDTHS = {"scalar": 1, "distribution": len(DISTRIBUTION_FIELDS)}
_AT_ONCE = 5000


class _Wanted(NamedTuple):
    id: int
    name: str
    kind: str


def list_series(c: Connection, run_id: str, attempt: int | None = None) -> list[dict[str, Any]]:
    """Every series with its declaration, its size, and its last value in the lineage of an attempt."""
    segments = find_lineage(c, run_id, attempt)
    totals: dict[int, dict[int, Any]] = {}
    for total in c.execute(select(Total).where(Total.run_id == run_id)):
        totals.setdefault(total.series_id, {})[total.attempt] = total
    listed = []
    cut: list[dict[str, Any]] = []
    for series in c.execute(select(Series).where(Series.run_id == run_id).order_by(Series.id)):
        shown = [
            (segment, totals[series.id][segment.attempt])
            for segment in segments
            if segment.attempt in totals.get(series.id, {})
        ]
        entry = {key: value for key, value in series._mapping.items() if key != "run_id"} | {
            "count": sum(total.count for _, total in shown),
            "first_step": min((total.first_step for _, total in shown), default=None),
            "last_step": None,
            "last": None,
            "non_finite": sum(total.non_finite for _, total in shown),
        }
        if shown:
            segment, newest = shown[-1]
            entry |= {"last_step": newest.last_step, "last": number_of(float_of(newest.last))}
            if segment.upto is not None and newest.last_step > segment.upto:
                cut.append(entry)
        listed.append(entry)
    _set_last(c, run_id, cut, attempt)
    return listed


def _set_last(c: Connection, run_id: str, cut: list[dict[str, Any]], attempt: int | None) -> None:
    """The last value that still counts of series with nothing since the run went back."""
    if not cut:
        return
    names = [entry["name"] for entry in cut]
    found = query_points(c, run_id, names, 1, attempt=attempt)["series"]
    for entry in cut:
        columns = found[entry["name"]]
        last = columns["quantiles"]["mean"] if entry["kind"] == "distribution" else columns["last"]
        entry["last_step"] = columns["step"][-1] if last else None
        entry["last"] = last[-1] if last else None


def query_points(
    c: Connection,
    run_id: str,
    names: Sequence[str],
    buckets: int,
    *,
    first: float | None = None,
    last: float | None = None,
    axis: Axis = "step",
    attempt: int | None = None,
) -> dict[str, Any]:
    """The lineage of an attempt (default: the newest) in at most ``buckets`` buckets a series."""
    segments = find_lineage(c, run_id, attempt)
    wanted = _find(c, run_id, names)
    ids = [series.id for series in wanted]
    tails = {segment.attempt: _read_tail(c, run_id, segment.attempt, ids) for segment in segments}
    compacted = {
        (row.series_id, row.attempt): row.compacted
        for at in range(0, len(ids), _AT_ONCE)
        for row in c.execute(
            select(Total.series_id, Total.attempt, Total.compacted).where(
                Total.run_id == run_id, Total.series_id.in_(ids[at : at + _AT_ONCE])
            )
        )
    }
    drawn = {}
    for series in wanted:
        width = _WIDTHS[series.kind]
        sources = []
        for segment in segments:
            count = compacted.get((series.id, segment.attempt), 0)
            tree = Tree(c, (run_id, series.id, segment.attempt), width, count) if count else None
            tail = tails[segment.attempt].get(series.id)
            window = Window(axis, first, last, segment.upto)
            sources.append(Source(tree, window, None if tail is None else (count, tail)))
        entries = bucketize(sources, max(buckets, 1), axis)
        if entries is None:
            entries = np.empty(0, entry_type(width))
        drawn[series.name] = _show(series.kind, entries, axis)
    return {"axis": axis, "series": drawn, "unknown": [name for name in names if name not in drawn]}


def _find(c: Connection, run_id: str, names: Sequence[str]) -> list[_Wanted]:
    unique = [name for name in dict.fromkeys(names) if "\0" not in name]
    rows = [
        _Wanted(*row)
        for at in range(0, len(unique), _AT_ONCE)
        for row in c.execute(
            select(Series.id, Series.name, Series.kind).where(
                Series.run_id == run_id, Series.name.in_(unique[at : at + _AT_ONCE])
            )
        )
    ]
    return sorted(rows)


def _read_tail(c: Connection, run_id: str, attempt: int, ids: list[int]) -> dict[int, Any]:
    payloads = c.execute(
        select(Batch.payload).where(Batch.run_id == run_id, Batch.attempt == attempt).order_by(Batch.id)
    ).scalars()
    return select_series(payloads, ids)


def _show(kind: str, entries: Entries, axis: Axis) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": kind,
        "exact": bool((entries["count"] == 1).all()),
        "step": entries["max_step"].tolist(),
        "time": entries["last_time" if axis == "step" else "max_time"].tolist(),
        "count": entries["count"].tolist(),
        "non_finite": entries["non_finite"].tolist(),
    }
    if kind == "scalar":
        for field in ("min", "max", "mean"):
            shown[field] = _with_none(entries[field])
        shown["last"] = _with_names(entries["last"][:, 0])
        return shown
    quantiles = {field: entries["last"][:, i] for i, field in enumerate(DISTRIBUTION_FIELDS)}
    merged = entries["count"] > 1
    for field, over in (("min", "min"), ("max", "max"), ("n", "mean")):
        quantiles[field] = np.where(merged, entries[over], quantiles[field])
    return {**shown, "quantiles": {field: _with_names(values) for field, values in quantiles.items()}}


def _with_none(values: NDArray[np.float64]) -> list[Any]:
    listed: list[Any] = values.tolist()
    for i in np.flatnonzero(np.isnan(values)):
        listed[i] = None
    return listed


def _with_names(values: NDArray[np.float64]) -> list[Any]:
    listed: list[Any] = values.tolist()
    for i in np.flatnonzero(~np.isfinite(values)):
        listed[i] = number_of(listed[i])
    return listed
