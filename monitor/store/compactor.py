"""From batches to chunks: what arrived together is turned into what is read together.

Everything slow happens before the write transaction; that one only swaps the batches for the chunks that say
the same, and does nothing where another compactor, or the deletion of the run, was faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
from sqlalchemy import Connection, Table, and_, bindparam, delete, func, or_, select, update

from monitor.store.chunks import FULL, Columns, decode_chunk, encode_chunk
from monitor.store.database import Database, insert_into
from monitor.store.schema import Batch, Chunk, Run, Summary, Total
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
from monitor.store.tail import select_series

#: A run's tail is compacted when it has this many batches, or values, or nothing came for a while.
MAX_BATCHES = 128
MAX_VALUES = 2**17
IDLE_SECONDS = 60.0
#: Batches, and values, taken at once: bounds the memory and the transaction.
_TAKEN_BATCHES = 1024
_TAKEN_VALUES = 2**21


class _Piece(NamedTuple):
    """What replaces the tail of one series and attempt."""

    series: int
    attempt: int
    compacted: int
    chunks: list[dict[str, Any]]
    summaries: list[dict[str, Any]]


def compact(db: Database, run_id: str) -> int:
    """Compact all of a run's tail; how many batches became chunks."""
    done = 0
    while taken := _compact_some(db, run_id):
        done += taken
    return done


def find_due(db: Database, now: float) -> list[str]:
    """The runs whose tails are due."""
    with db.read() as c:
        return list(
            c.execute(
                select(Batch.run_id)
                .join(Run, Run.id == Batch.run_id)
                .group_by(Batch.run_id, Run.state)
                .having(
                    or_(
                        Run.state != "running",
                        func.count() >= MAX_BATCHES,
                        func.sum(Batch.points) >= MAX_VALUES,
                        func.max(Batch.received) <= now - IDLE_SECONDS,
                    )
                )
                .order_by(Batch.run_id)
            ).scalars()
        )


def _compact_some(db: Database, run_id: str) -> int:
    with db.read() as c:
        taken: dict[int, list[int]] = {}
        values = 0
        for batch_id, attempt, points in c.execute(
            select(Batch.id, Batch.attempt, Batch.points)
            .where(Batch.run_id == run_id)
            .order_by(Batch.id)
            .limit(_TAKEN_BATCHES)
        ):
            values += points
            if taken and values > _TAKEN_VALUES:
                break
            taken.setdefault(attempt, []).append(batch_id)
        pieces = [piece for attempt, ids in taken.items() for piece in _make_pieces(c, run_id, attempt, ids)]
    ids = [batch_id for of_attempt in taken.values() for batch_id in of_attempt]
    if not ids:
        return 0
    with db.write() as c:
        return len(ids) if _swap(c, run_id, ids, pieces) else 0


def _make_pieces(c: Connection, run_id: str, attempt: int, ids: list[int]) -> Iterator[_Piece]:
    payloads = c.execute(
        select(Batch.payload).where(Batch.run_id == run_id, Batch.id.in_(ids)).order_by(Batch.id)
    ).scalars()
    tails = select_series(payloads)
    totals = c.execute(
        select(Total.series_id, Total.compacted).where(Total.run_id == run_id, Total.attempt == attempt)
    )
    compacted = {row.series_id: row.compacted for row in totals}
    for series, columns in sorted(tails.items()):
        tree = _Tree(c, run_id, series, attempt)
        yield tree.extend(columns, compacted[series])


class _Tree:
    """The chunks and summaries of one series and attempt, as they are and as they will be."""

    def __init__(self, c: Connection, run_id: str, series: int, attempt: int) -> None:
        self._c = c
        self._series, self._attempt = series, attempt
        self._key = {"run_id": run_id, "series_id": series, "attempt": attempt}

    def extend(self, new: Columns, compacted: int) -> _Piece:
        number, rest = divmod(compacted, FULL)
        if rest:
            new = Columns.join([self._read_chunk(number), new])
        points = new.in_order()
        chunks = [
            {**self._key, "number": number + at // FULL, "payload": encode_chunk(points[at : at + FULL])}
            for at in range(0, len(points), FULL)
        ]
        total = number * FULL + len(points)
        return _Piece(
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
        return decode_entries(row, width)

    def _where(self, table: type[Chunk] | type[Summary]) -> list[Any]:
        return [getattr(table, column) == value for column, value in self._key.items()]


def _swap(c: Connection, run_id: str, ids: list[int], pieces: list[_Piece]) -> bool:
    """Put the pieces where the batches were; False, and nothing changed, where not all batches are there."""
    c.execute(select(Run.id).where(Run.id == run_id).with_for_update())
    there = select(func.count()).where(Batch.run_id == run_id, Batch.id.in_(ids))
    if c.execute(there).scalar_one() != len(ids):
        return False
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
    c.execute(delete(Batch).where(Batch.run_id == run_id, Batch.id.in_(ids)))
    c.execute(update(Run).where(Run.id == run_id).values(horizon=max(ids)))
    return True
