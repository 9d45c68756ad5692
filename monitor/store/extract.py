"""All points of some series, a chunk at a time: what exports and readers are fed with.

They come series after series, attempt after attempt, in the order in which they were stored: that of their
steps, but for what was logged late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from sqlalchemy import Connection, select

from monitor.errors import Problem
from monitor.store.chunks import Columns
from monitor.store.database import Database
from monitor.store.epochs import Epochs
from monitor.store.lineage import Segment, find_lineage
from monitor.store.picture import read_tail
from monitor.store.schema import Total
from monitor.store.selection import Wanted, find_series
from monitor.store.tree import Tree
from monitor.store.view import Window


@dataclass(frozen=True)
class Extract:
    """What is asked for: like a picture's view, but every point."""

    names: Sequence[str] = ()
    patterns: Sequence[str] = ()
    axis: Literal["step", "epoch", "time"] = "step"
    first: float | None = None
    last: float | None = None
    attempt: int | None = None


class Portion(NamedTuple):
    """Some points of one series and attempt, 4096 at most of what is compacted."""

    series: Wanted
    attempt: int
    points: Columns


class Extraction:
    """The points as they are at one moment; that moment is held until :meth:`portions` ends or is closed.

    Raises :class:`Problem` where a named series does not exist.
    """

    def __init__(self, db: Database, run_id: str, asked: Extract) -> None:
        self._db = db
        self._run_id = run_id
        self._asked = asked
        with db.read() as c:
            self.segments = find_lineage(c, run_id, asked.attempt)
            self.series = find_series(c, run_id, asked.names, asked.patterns)
            self._window = _window(c, run_id, asked)
        known = {series.name for series in self.series}
        if missing := [name for name in asked.names if name not in known]:
            raise Problem(
                404, "unknown-series", f"Run {run_id!r} has no series {missing[0]!r}.", field="name"
            )

    def portions(self) -> Iterator[Portion]:
        ids = {series.id for series in self.series}
        with self._db.read() as c:
            tails = {
                segment.attempt: read_tail(c, self._run_id, segment.attempt, ids) for segment in self.segments
            }
            for series in self.series:
                for segment in self.segments:
                    tail = tails[segment.attempt].pop(series.id, None)
                    for points in self._read(c, series, segment, tail):
                        yield Portion(series, segment.attempt, points)

    def _read(
        self, c: Connection, series: Wanted, segment: Segment, tail: Columns | None
    ) -> Iterator[Columns]:
        window = replace(self._window, upto=segment.upto)
        key = (self._run_id, series.id, segment.attempt)
        count = c.execute(
            select(Total.compacted).where(
                Total.run_id == self._run_id, Total.series_id == series.id, Total.attempt == segment.attempt
            )
        ).scalar()
        if count:
            tree = Tree(c, key, series.width, count)
            for chunk in tree.read_chunks(lambda entries: bool(window.touches(entries).any())):
                yield from _inside(chunk, window)
        if tail is not None:
            yield from _inside(tail.in_order(), window)


def _window(c: Connection, run_id: str, asked: Extract) -> Window:
    if asked.axis != "epoch":
        return Window(asked.axis, asked.first, asked.last, None)
    epochs = Epochs.of_run(c, run_id, asked.attempt)
    return Window("step", epochs.step_at(asked.first), epochs.step_at(asked.last), None)


def _inside(points: Columns, window: Window) -> Iterator[Columns]:
    place = points.steps if window.axis == "step" else points.times
    inside = np.ones(len(points), bool)
    if window.first is not None:
        inside &= place >= window.first
    if window.last is not None:
        inside &= place <= window.last
    if window.upto is not None:
        inside &= points.steps <= window.upto
    if inside.all():
        yield points
    elif inside.any():
        yield points[inside]
