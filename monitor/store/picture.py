"""The picture of some series at any zoom: what a chart asks for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, bindparam, select

from monitor.store.chunks import ChunkError, Columns
from monitor.store.epochs import Epochs
from monitor.store.lineage import Segment, find_lineage
from monitor.store.schema import Batch, Total
from monitor.store.selection import AT_ONCE, Wanted, find_series
from monitor.store.shown import show, show_aligned
from monitor.store.since import Cursor, read_moment
from monitor.store.summaries import Entries, entry_type
from monitor.store.tail import select_series
from monitor.store.tree import Tree
from monitor.store.view import Axis, Grid, Source, Window, bucketize, gather, refine

log = logging.getLogger("ganwatch")

_COMPACTED = select(Total.series_id, Total.attempt, Total.compacted).where(
    Total.run_id == bindparam("run_id"), Total.series_id.in_(bindparam("series", expanding=True))
)
_TAIL = (
    select(Batch.payload)
    .where(
        Batch.run_id == bindparam("run_id"),
        Batch.attempt == bindparam("attempt"),
        Batch.id > bindparam("since"),
    )
    .order_by(Batch.id)
)


@dataclass(frozen=True)
class View:
    """What of the series is asked for. ``first`` and ``last`` are places on the axis and belong to it."""

    buckets: int
    axis: Literal["step", "epoch", "time"] = "step"
    first: float | None = None
    last: float | None = None
    attempt: int | None = None
    #: The same buckets for every series.
    aligned: bool = False
    #: Only what came after this cursor.
    since: str | None = None


def query_points(
    c: Connection,
    run_id: str,
    names: Sequence[str],
    buckets: int,
    *,
    patterns: Sequence[str] = (),
    most: int | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """The lineage of an attempt (default: the newest) in at most ``buckets`` buckets a series.

    The keywords are the fields of :class:`View`. The answer's ``cursor`` stands for this moment: asked
    again with ``since``, it tells only what is new, or everything, with ``reset``, where that cannot be told.
    """
    view = View(max(buckets, 1), **asked)
    epochs = Epochs.of_run(c, run_id, view.attempt) if view.axis == "epoch" else None
    window = _window(view, epochs)
    wanted = find_series(c, run_id, names, patterns, most)
    segments = find_lineage(c, run_id, view.attempt)
    moment = read_moment(c, run_id, segments)
    since = None if view.since is None else moment.batches_after(Cursor.parse(view.since))
    reading = _Reading(c, run_id, segments, wanted, since)
    entries = {series: reading.refine(series, view.buckets, window) for series in wanted}
    answer: dict[str, Any] = {"axis": view.axis, "cursor": str(moment.cursor)}
    if view.since is not None:
        answer["reset"] = since is None
    if view.aligned:
        answer |= _show_aligned(entries, view.buckets, window.axis, epochs)
    else:
        answer["series"] = {
            series.name: _show(series.kind, bucketize(found, view.buckets, window.axis), window.axis, epochs)
            for series, found in entries.items()
        }
    answer["unknown"] = [name for name in names if name not in answer["series"]]
    answer["damaged"] = sorted(reading.damaged)
    return answer


def _window(view: View, epochs: Epochs | None) -> Window:
    axis: Axis = "time" if view.axis == "time" else "step"
    first, last = view.first, view.last
    if epochs is not None:
        first, last = epochs.step_at(first), epochs.step_at(last)
    return Window(axis, first, last, None)


class _Reading:
    """What is stored of the wanted series: trees, and the tail behind them."""

    def __init__(
        self, c: Connection, run_id: str, segments: list[Segment], wanted: list[Wanted], since: int | None
    ) -> None:
        self._c = c
        self._run_id = run_id
        self._segments = segments
        #: Names of which not everything could be read.
        self.damaged: set[str] = set()
        ids = [series.id for series in wanted]
        self._tails = {
            segment.attempt: self._read_tail(segment.attempt, wanted, since or 0) for segment in segments
        }
        self._compacted: dict[tuple[int, int], int] = {}
        if since is None:
            for at in range(0, len(ids), AT_ONCE):
                rows = c.execute(_COMPACTED, {"run_id": run_id, "series": ids[at : at + AT_ONCE]})
                self._compacted |= {(row.series_id, row.attempt): row.compacted for row in rows}

    def refine(self, series: Wanted, buckets: int, window: Window) -> Entries:
        """Entries of all that is in view of a series, none where it cannot be read."""
        try:
            sources = [self._source(series, segment, window) for segment in self._segments]
            entries = refine(sources, buckets, window.axis)
        except ChunkError as error:
            log.error("series %r of run %s is damaged: %s", series.name, self._run_id, error)
            self.damaged.add(series.name)
            entries = None
        return np.empty(0, entry_type(series.width)) if entries is None else entries

    def _source(self, series: Wanted, segment: Segment, window: Window) -> Source:
        count = self._compacted.get((series.id, segment.attempt), 0)
        key = (self._run_id, series.id, segment.attempt)
        tree = Tree(self._c, key, series.width, count) if count else None
        tail = self._tails[segment.attempt].get(series.id)
        return Source(tree, replace(window, upto=segment.upto), None if tail is None else (count, tail))

    def _read_tail(self, attempt: int, wanted: list[Wanted], since: int) -> dict[int, Columns]:
        try:
            return read_tail(self._c, self._run_id, attempt, {series.id for series in wanted}, since)
        except ChunkError as error:
            log.error("a batch of run %s is damaged: %s", self._run_id, error)
            self.damaged.update(series.name for series in wanted)
            return {}


def read_tail(
    c: Connection, run_id: str, attempt: int, series: Iterable[int], since: int = 0
) -> dict[int, Columns]:
    """What is not yet compacted of the series in one attempt, of batches behind version ``since``."""
    tail = {"run_id": run_id, "attempt": attempt, "since": since}
    return select_series(c.execute(_TAIL, tail).scalars(), series)


def _show_aligned(
    entries: dict[Wanted, Entries], buckets: int, axis: Axis, epochs: Epochs | None
) -> dict[str, Any]:
    """Buckets that any of the series has, with their edges."""
    held = [found for found in entries.values() if len(found)]
    if not held:
        return {"from": [], "to": [], "series": {}}
    grid = Grid.over(held, buckets, axis)
    gathered = {series: gather(found, grid, axis) for series, found in entries.items()}
    shared = np.unique(np.concatenate([numbers for _, numbers in gathered.values()]))
    edges = [edge if epochs is None else epochs.epochs_at(edge) for edge in grid.edges(shared)]
    return {
        "from": np.asarray(edges[0]).tolist(),
        "to": np.asarray(edges[1]).tolist(),
        "series": {
            series.name: show_aligned(series.kind, found, numbers, shared)
            for series, (found, numbers) in gathered.items()
        },
    }


def _show(kind: str, entries: Entries, axis: Axis, epochs: Epochs | None) -> dict[str, Any]:
    shown = show(kind, entries, axis)
    if epochs is None:
        return shown
    return shown | {"first": epochs.epochs_at(shown["first"]), "epoch": epochs.epochs_at(shown["step"])}
