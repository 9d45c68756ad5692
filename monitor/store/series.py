"""Series: what a run has logged, what each is, and where it stands."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from monitor.store.lineage import find_lineage
from monitor.store.picture import query_points
from monitor.store.plain import float_of, number_of
from monitor.store.schema import Series, Total


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
