"""What a picture of a series needs: as few summaries as show every spike, points only where there are few.

Starting from the top of the tree, an entry is opened where it is wider than two pixels (*buckets*), where
the edge of the view runs through it, or where everything in view fits into the buckets anyway. So the work
grows with the buckets and with the logarithm of the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.store.chunks import Columns
from monitor.store.summaries import BLOCK, FANOUT, Entries, combine, entries_of
from monitor.store.tree import Numbers, Tree

Axis = Literal["step", "time"]
#: Buckets that an entry may be wide: half the resolution at worst, for a fraction of the work.
_TOLERANCE = 2
#: Entries a bucket beyond which unsorted data is not opened further.
_CROWD = 64


@dataclass(frozen=True)
class Window:
    """The part of one attempt that is in view."""

    axis: Axis
    first: float | None
    last: float | None
    #: The last step that the lineage shows of the attempt.
    upto: int | None

    def touches(self, entries: Entries) -> NDArray[np.bool_]:
        """Which entries may have points in view."""
        touched = np.ones(len(entries), bool)
        if self.first is not None:
            touched &= entries[f"max_{self.axis}"] >= self.first
        if self.last is not None:
            touched &= entries[f"min_{self.axis}"] <= self.last
        if self.upto is not None:
            touched &= entries["min_step"] <= self.upto
        return touched

    def cuts(self, entries: Entries) -> NDArray[np.bool_]:
        """Which entries that touch the view may have points outside of it."""
        cut = np.zeros(len(entries), bool)
        if self.first is not None:
            cut |= entries[f"min_{self.axis}"] < self.first
        if self.last is not None:
            cut |= entries[f"max_{self.axis}"] > self.last
        if self.upto is not None:
            cut |= entries["max_step"] > self.upto
        return cut

    def spans(self, entries: Entries) -> NDArray[np.float64]:
        lower, upper = entries[f"min_{self.axis}"], entries[f"max_{self.axis}"]
        return upper.astype(np.float64) - lower.astype(np.float64)


class Source:
    """What is in view of one series and attempt: entries of its tree, and points as entries of level 0."""

    def __init__(self, tree: Tree | None, window: Window, tail: tuple[int, Columns] | None) -> None:
        self._tree = tree
        self._window = window
        #: By level, the entries held and their numbers. Points are numbered as they came.
        self._held: dict[int, tuple[Numbers, Entries]] = {}
        if tail is not None:
            first, points = tail
            self._hold(0, first + np.arange(len(points)), entries_of(points))
        if tree is not None:
            self._hold(*tree.read_top())

    def held(self) -> list[Entries]:
        return [entries for _, entries in self._held.values()]

    def entries(self) -> Entries:
        """All that is held, in the order in which its first points came."""
        came = np.concatenate([numbers * _points_of(level) for level, (numbers, _) in self._held.items()])
        return _in_order(np.concatenate(self.held()), came)

    def open(self, limit: float) -> bool:
        """Open each entry wider than ``limit`` or cut by the view by one level; whether there was any."""
        opened = False
        for level in sorted(self._held.keys() - {0}, reverse=True):
            numbers, entries = self._held[level]
            wide = (self._window.spans(entries) > limit) | self._window.cuts(entries)
            if wide.any():
                opened = True
                del self._held[level]
                self._hold(level, numbers[~wide], entries[~wide])
                self._expand(level, numbers[wide])
        return opened

    def _expand(self, level: int, numbers: Numbers) -> None:
        assert self._tree is not None
        if level > 1:
            self._hold(level - 1, *self._tree.read_below(level, numbers))
        else:
            came, points = self._tree.read_points(numbers)
            self._hold(0, came, entries_of(points))

    def _hold(self, level: int, numbers: Numbers, entries: Entries) -> None:
        touched = self._window.touches(entries)
        if not touched.all():
            numbers, entries = numbers[touched], entries[touched]
        if level in self._held:
            before = self._held[level]
            numbers, entries = np.concatenate([before[0], numbers]), np.concatenate([before[1], entries])
        if len(numbers):
            self._held[level] = (numbers, entries)


def _points_of(level: int) -> int:
    size: int = BLOCK * FANOUT ** (level - 1) if level else 1
    return size


def _in_order(entries: Entries, keys: NDArray[Any]) -> Entries:
    if (keys[1:] >= keys[:-1]).all():
        return entries
    return entries[np.argsort(keys, kind="stable")]


@dataclass(frozen=True)
class Grid:
    """Buckets of equal width on an axis, numbered from 0."""

    lower: float
    width: float
    buckets: int

    @classmethod
    def over(cls, parts: list[Entries], buckets: int, axis: Axis) -> Grid:
        """As many buckets over all that the entries span."""
        lower = float(min(entries[f"min_{axis}"].min() for entries in parts))
        upper = float(max(entries[f"max_{axis}"].max() for entries in parts))
        return cls(lower, (upper - lower) / buckets, buckets)

    def number(self, entries: Entries, axis: Axis) -> NDArray[np.int64]:
        """The bucket of each entry: that of its last point."""
        at = (entries[f"max_{axis}"].astype(float) - self.lower) / (self.width or 1)
        return np.minimum(at.astype(np.int64), self.buckets - 1)

    def edges(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lower = self.lower + self.width * numbers.astype(np.float64)
        return lower, lower + self.width


def refine(sources: list[Source], buckets: int, axis: Axis) -> Entries | None:
    """Entries for all points in view, no wider than needed, in the order of the axis; None without points."""
    while held := [entries for source in sources for entries in source.held()]:
        limit = _TOLERANCE * Grid.over(held, buckets, axis).width
        if sum(int(entries["count"].sum()) for entries in held) <= buckets:
            limit = -1
        elif sum(map(len, held)) > _CROWD * buckets:
            limit = np.inf
        if sum(source.open(limit) for source in sources) == 0:
            break
    else:
        return None
    joined = np.concatenate([source.entries() for source in sources if source.held()])
    return _in_order(joined, joined[f"max_{axis}"])


def gather(entries: Entries, grid: Grid, axis: Axis) -> tuple[Entries, NDArray[np.int64]]:
    """One entry a bucket that has any, and the numbers of those buckets."""
    numbers = grid.number(entries, axis)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    return combine(entries, starts, axis), numbers[starts]


def bucketize(entries: Entries, buckets: int, axis: Axis) -> Entries:
    """At most ``buckets`` entries: those given where they are no more, so that few points stay exact."""
    if len(entries) <= buckets:
        return entries
    return gather(entries, Grid.over([entries], buckets, axis), axis)[0]
