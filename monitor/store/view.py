"""What a picture of a series needs: as few summaries as show every spike, points only where there are few.

Starting from the top of the tree, an entry is opened where it is wider than a pixel (a *bucket*), where the
edge of the view runs through it, or where everything in view fits into the buckets anyway. So the work grows
with the buckets and with the logarithm of the points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.orm import InstrumentedAttribute

from monitor.store.chunks import FULL, ChunkError, Columns, decode_chunk
from monitor.store.schema import Chunk, Summary
from monitor.store.summaries import (
    BLOCK,
    FANOUT,
    Entries,
    combine,
    count_entries,
    entries_of,
    entry_type,
    parse_entries,
    top_level,
)

Axis = Literal["step", "time"]
#: Entries a bucket beyond which unsorted data is not opened further.
_CROWD = 64
_AT_ONCE = 5000
_BLOCKS_OF_A_CHUNK = FULL // BLOCK


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
    """One series in one attempt: the tree of what is compacted, and the points of the tail."""

    def __init__(
        self,
        c: Connection,
        key: tuple[str, int, int],
        window: Window,
        *,
        width: int,
        compacted: int,
        tail: Columns | None,
    ) -> None:
        self._c = c
        self._window = window
        self._run_id, self._series, self._attempt = key
        self._width = width
        self._compacted = compacted
        #: By level, the entries held and their numbers. Level 0 is points, numbered as they came.
        self._held: dict[int, tuple[NDArray[np.int64], Entries]] = {}
        if tail is not None:
            self._hold(0, compacted + np.arange(len(tail)), entries_of(tail))
        if compacted:
            level = top_level(compacted)
            everything = np.arange(count_entries(compacted, level))
            self._hold(level, everything, self._read_entries(level, everything))

    def held(self) -> list[Entries]:
        return [entries for _, entries in self._held.values()]

    def entries(self) -> Entries:
        """All that is held, in the order in which its first points came."""
        if not self._held:
            return np.empty(0, entry_type(self._width))
        came = [numbers * _points_of(level) for level, (numbers, _) in self._held.items()]
        return np.concatenate(self.held())[np.argsort(np.concatenate(came), kind="stable")]

    def open(self, limit: float) -> bool:
        """Open each entry wider than ``limit`` or cut by the view by one level; whether there was any."""
        opened = False
        for level in sorted(self._held.keys() - {0}, reverse=True):
            numbers, entries = self._held.pop(level)
            wide = (self._window.spans(entries) > limit) | self._window.cuts(entries)
            self._hold(level, numbers[~wide], entries[~wide])
            if wide.any():
                opened = True
                self._expand(level, numbers[wide])
        return opened

    def _expand(self, level: int, numbers: NDArray[np.int64]) -> None:
        if level == 1:
            self._read_points(numbers)
            return
        below = (numbers[:, None] * FANOUT + np.arange(FANOUT)).ravel()
        below = below[below < count_entries(self._compacted, level - 1)]
        self._hold(level - 1, below, self._read_entries(level - 1, below))

    def _hold(self, level: int, numbers: NDArray[np.int64], entries: Entries) -> None:
        touched = self._window.touches(entries)
        numbers, entries = numbers[touched], entries[touched]
        if level in self._held:
            before = self._held[level]
            numbers, entries = np.concatenate([before[0], numbers]), np.concatenate([before[1], entries])
        if len(numbers):
            self._held[level] = (numbers, entries)

    def _read_entries(self, level: int, numbers: NDArray[np.int64]) -> Entries:
        rows = np.unique(numbers // BLOCK)
        query = select(Summary.number, Summary.entries).where(
            Summary.run_id == self._run_id,
            Summary.series_id == self._series,
            Summary.attempt == self._attempt,
            Summary.level == level,
        )
        found = {
            row.number: row.entries
            for wanted in _among(Summary.number, rows)
            for row in self._c.execute(query.where(wanted))
        }
        whole = count_entries(self._compacted, level)
        sizes = np.minimum(whole - rows * BLOCK, BLOCK)
        content = parse_entries(b"".join(found.get(int(row), b"") for row in rows), self._width)
        if len(content) != sizes.sum():
            raise ChunkError("the summaries of a series do not fit its points")
        at: NDArray[np.int64] = np.searchsorted(rows, numbers // BLOCK) * BLOCK + numbers % BLOCK
        return content[at]

    def _read_points(self, blocks: NDArray[np.int64]) -> None:
        chunks = np.unique(blocks // _BLOCKS_OF_A_CHUNK)
        query = select(Chunk.number, Chunk.payload).where(
            Chunk.run_id == self._run_id, Chunk.series_id == self._series, Chunk.attempt == self._attempt
        )
        for wanted in _among(Chunk.number, chunks):
            for number, payload in self._c.execute(query.where(wanted)):
                points = decode_chunk(payload)
                within = blocks[blocks // _BLOCKS_OF_A_CHUNK == number] - number * _BLOCKS_OF_A_CHUNK
                rows = (within[:, None] * BLOCK + np.arange(BLOCK)).ravel()
                rows = rows[rows < len(points)]
                self._hold(0, number * FULL + rows, entries_of(points[rows]))


def _points_of(level: int) -> int:
    size: int = BLOCK * FANOUT ** (level - 1) if level else 1
    return size


def _among(column: InstrumentedAttribute[int], numbers: NDArray[np.int64]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together find these ascending numbers, and maybe some between them."""
    if numbers[-1] - numbers[0] < 2 * len(numbers):
        yield column.between(int(numbers[0]), int(numbers[-1]))
        return
    for at in range(0, len(numbers), _AT_ONCE):
        yield column.in_(numbers[at : at + _AT_ONCE].tolist())


def bucketize(sources: list[Source], buckets: int, axis: Axis) -> Entries:
    """At most ``buckets`` entries that stand for every point in view, in the order of the axis."""
    while True:
        held = [entries for source in sources for entries in source.held()]
        if not held:
            break
        lower = float(min(entries[f"min_{axis}"].min() for entries in held))
        width = (float(max(entries[f"max_{axis}"].max() for entries in held)) - lower) / buckets
        limit = width
        if sum(int(entries["count"].sum()) for entries in held) <= buckets:
            limit = -1
        elif sum(map(len, held)) > _CROWD * buckets:
            limit = np.inf
        if sum(source.open(limit) for source in sources) == 0:
            break
    entries = np.concatenate([source.entries() for source in sources])
    entries = entries[np.argsort(entries[f"max_{axis}"], kind="stable")]
    if len(entries) <= buckets:
        return entries
    at = (entries[f"max_{axis}"].astype(float) - lower) / (width or 1)
    bucket = np.minimum(at.astype(np.int64), buckets - 1)
    return combine(entries, np.flatnonzero(np.diff(bucket, prepend=-1)), axis)
