"""How a compacted series grows: points become chunks and summaries, the unfinished last ones are remade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from sqlalchemy import Connection, Table, and_, bindparam, select, update

from monitor.store.chunks import FULL, Columns, decode_chunk, encode_chunk
from monitor.store.database import insert_into
from monitor.store.schema import Chunk, Summary, Total
from monitor.store.summaries import (
    BLOCK,
    FANOUT,
    Entries,
    count_entries,
    decode_entries,
    encode_entries,
    summarize,
    summarize_entries,
)


class Piece(NamedTuple):
    """The rows that one series and attempt grows by."""

    series: int
    attempt: int
    compacted: int
    chunks: list[dict[str, Any]]
    summaries: list[dict[str, Any]]


class Growth:
    """The chunks and summaries of one series and attempt, as they are and as they will be."""

    def __init__(self, c: Connection, run_id: str, series: int, attempt: int) -> None:
        self._c = c
        self._series, self._attempt = series, attempt
        self._key = {"run_id": run_id, "series_id": series, "attempt": attempt}

    def extend(self, new: Columns, compacted: int) -> Piece:
        number, rest = divmod(compacted, FULL)
        if rest:
            new = Columns.join([self._read_chunk(number), new])
        points = new.in_order()
        chunks = [
            {**self._key, "number": number + at // FULL, "payload": encode_chunk(points[at : at + FULL])}
            for at in range(0, len(points), FULL)
        ]
        total = number * FULL + len(points)
        return Piece(
            self._series,
            self._attempt,
            total,
            chunks,
            list(self._summarize(points, number * FULL // BLOCK, total, compacted)),
        )

    def _summarize(self, points: Columns, first: int, total: int, before: int) -> Iterator[dict[str, Any]]:
        """The rows of every level from the entry ``first`` of level 1 on."""
        width = points.values.shape[1]
        entries = summarize(points)
        level = 1
        while True:
            row = first // BLOCK
            if first % BLOCK:
                entries = np.concatenate([self._read_row(level, row, width)[: first % BLOCK], entries])
            yield from (
                {
                    **self._key,
                    "level": level,
                    "number": row + at // BLOCK,
                    "entries": encode_entries(entries[at : at + BLOCK]),
                }
                for at in range(0, len(entries), BLOCK)
            )
            if count_entries(total, level) <= BLOCK:
                return
            # A level that did not exist yet is made from the beginning of the one below.
            if count_entries(before, level) <= BLOCK:
                below = [self._read_row(level, number, width) for number in range(row)]
                entries = np.concatenate([*below, entries])
                row = first = 0
            first = first // FANOUT
            entries = summarize_entries(entries[first * FANOUT - row * BLOCK :])
            level += 1

    def _read_chunk(self, number: int) -> Columns:
        return decode_chunk(
            self._c.execute(
                select(Chunk.payload).where(*self._where(Chunk), Chunk.number == number)
            ).scalar_one()
        )

    def _read_row(self, level: int, number: int, width: int) -> Entries:
        row = self._c.execute(
            select(Summary.entries).where(
                *self._where(Summary), Summary.level == level, Summary.number == number
            )
        ).scalar_one()
        return decode_entries([row], width)

    def _where(self, table: type[Chunk] | type[Summary]) -> list[Any]:
        return [getattr(table, column) == value for column, value in self._key.items()]


def store_pieces(c: Connection, run_id: str, pieces: Sequence[Piece]) -> None:
    """Write the rows over those they remake, and how many points are compacted now."""
    for table, field, keys, rows in (
        (Chunk, "payload", ["number"], [row for piece in pieces for row in piece.chunks]),
        (Summary, "entries", ["level", "number"], [row for piece in pieces for row in piece.summaries]),
    ):
        insert = insert_into(c, table)
        c.execute(
            insert.on_conflict_do_update(
                index_elements=["run_id", "series_id", "attempt", *keys],
                set_={field: insert.excluded[field]},
            ),
            rows,
        )
    c.execute(
        update(cast("Table", Total.__table__))
        .where(
            and_(
                Total.run_id == run_id,
                Total.series_id == bindparam("of_series"),
                Total.attempt == bindparam("of_attempt"),
            )
        )
        .values(compacted=bindparam("now_compacted")),
        [
            {"of_series": piece.series, "of_attempt": piece.attempt, "now_compacted": piece.compacted}
            for piece in pieces
        ],
    )
