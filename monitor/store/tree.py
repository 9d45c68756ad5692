"""Reading the tree of one series and attempt: summaries by level and number, points by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, bindparam, select

from monitor.store.chunks import FULL, ChunkError, Columns, decode_chunk
from monitor.store.schema import Chunk, Summary
from monitor.store.summaries import BLOCK, FANOUT, Entries, count_entries, decode_entries, top_level

Numbers = NDArray[np.int64]
Statement = Select[int, bytes]

#: Numbers in a statement, and rows taken from the database at once.
_AT_ONCE = 5000
_FETCHED = 256
_BLOCKS_OF_A_CHUNK = FULL // BLOCK


def _statements(
    table: type[Summary] | type[Chunk], columns: Select[int, bytes]
) -> tuple[Statement, Statement]:
    """Made once, because making a statement takes longer than running it: rows in a range, rows in a list."""
    keys = [name for name in ("run_id", "series_id", "attempt", "level") if hasattr(table, name)]
    of_series = columns.where(*(getattr(table, name) == bindparam(name) for name in keys))
    return (
        of_series.where(table.number.between(bindparam("low"), bindparam("high"))),
        of_series.where(table.number.in_(bindparam("numbers", expanding=True))),
    )


_SUMMARIES = _statements(Summary, select(Summary.number, Summary.entries))
_CHUNKS = _statements(Chunk, select(Chunk.number, Chunk.payload).order_by(Chunk.number))


class Tree:
    """The compacted points ``0 .. compacted - 1`` and what summarizes them."""

    def __init__(self, c: Connection, key: tuple[str, int, int], width: int, compacted: int) -> None:
        self._c = c
        self._key = dict(zip(("run_id", "series_id", "attempt"), key, strict=True))
        self._width = width
        self._compacted = compacted

    def read_top(self) -> tuple[int, Numbers, Entries]:
        """The coarsest level, the numbers of its entries, and the entries."""
        level = top_level(self._compacted)
        numbers = np.arange(count_entries(self._compacted, level))
        return level, numbers, self._read_entries(level, numbers)

    def read_below(self, level: int, numbers: Numbers) -> tuple[Numbers, Entries]:
        """What the entries of a level above 1 summarize."""
        below = (numbers[:, None] * FANOUT + np.arange(FANOUT)).ravel()
        below = below[below < count_entries(self._compacted, level - 1)]
        return below, self._read_entries(level - 1, below)

    def read_points(self, blocks: Numbers) -> tuple[Numbers, Columns]:
        """The points that entries of level 1 summarize, and their numbers."""
        of_chunk = blocks // _BLOCKS_OF_A_CHUNK
        numbers: list[Numbers] = []
        parts: list[Columns] = []
        for number, payload in self._fetch(_CHUNKS, np.unique(of_chunk)):
            chunk = decode_chunk(payload)
            within = blocks[of_chunk == number] - number * _BLOCKS_OF_A_CHUNK
            rows = (within[:, None] * BLOCK + np.arange(BLOCK)).ravel()
            rows = rows[rows < len(chunk)]
            numbers.append(number * FULL + rows)
            parts.append(chunk if len(rows) == len(chunk) else chunk[rows])
        if not parts:
            raise ChunkError("a chunk of a series is missing")
        return np.concatenate(numbers), Columns.join(parts)

    def read_chunks(self, is_wanted: Callable[[Entries], bool]) -> Iterator[Columns]:
        """Every chunk whose summaries are wanted, one in memory at a time."""
        for number in range(-(-self._compacted // FULL)):
            blocks = np.arange(number * _BLOCKS_OF_A_CHUNK, (number + 1) * _BLOCKS_OF_A_CHUNK)
            if is_wanted(self._read_entries(1, blocks[blocks < count_entries(self._compacted, 1)])):
                found = [decode_chunk(payload) for _, payload in self._fetch(_CHUNKS, np.array([number]))]
                if len(found) != 1:
                    raise ChunkError("a chunk of a series is missing")
                yield found[0]

    def _read_entries(self, level: int, numbers: Numbers) -> Entries:
        rows = np.unique(numbers // BLOCK)
        found = {row.number: row.entries for row in self._fetch(_SUMMARIES, rows, level=level)}
        if missing := [row for row in rows.tolist() if row not in found]:
            raise ChunkError(f"summary {missing[0]} of a series is missing")
        content = decode_entries([found[row] for row in rows.tolist()], self._width)
        sizes = np.minimum(count_entries(self._compacted, level) - rows * BLOCK, BLOCK)
        if len(content) != sizes.sum():
            raise ChunkError("the summaries of a series do not fit its points")
        if len(content) == len(numbers):
            return content
        at: Numbers = np.searchsorted(rows, numbers // BLOCK) * BLOCK + numbers % BLOCK
        return content[at]

    def _fetch(
        self, statements: tuple[Statement, Statement], numbers: Numbers, **more: int
    ) -> Iterator[Row[int, bytes]]:
        """The rows with these ascending numbers, and maybe some between them."""
        in_range, in_list = statements
        low, high = int(numbers[0]), int(numbers[-1])
        if high - low < 2 * len(numbers):
            results = [self._c.execute(in_range, {**self._key, **more, "low": low, "high": high})]
        else:
            results = [
                self._c.execute(in_list, {**self._key, **more, "numbers": some.tolist()})
                for some in np.split(numbers, range(_AT_ONCE, len(numbers), _AT_ONCE))
            ]
        for result in results:
            for part in result.partitions(_FETCHED):
                yield from part
