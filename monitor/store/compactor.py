"""From batches to chunks: what arrived together is turned into what is read together.

Everything slow happens before the write transaction; that one only swaps the batches for the chunks that say
the same, and does nothing where another compactor, or the deletion of the run, was faster.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, delete, func, or_, select, update

from monitor.store.chunks import ChunkError
from monitor.store.database import Database
from monitor.store.growth import Growth, Piece, store_pieces
from monitor.store.quarantine import set_aside_damaged
from monitor.store.schema import Batch, Run, Total
from monitor.store.tail import select_series

#: A run's tail is compacted when it has this many batches, or values, or nothing came for a while.
MAX_BATCHES = 128
MAX_VALUES = 2**17
IDLE_SECONDS = 60.0
#: Batches, and values, taken at once: bounds the memory and the transaction.
_TAKEN_BATCHES = 1024
_TAKEN_VALUES = 2**21


def compact(db: Database, run_id: str) -> int:
    """Compact all of a run's tail; how many batches became chunks. Damaged ones are set aside."""
    done = 0
    while True:
        try:
            taken = _compact_some(db, run_id)
        except ChunkError:
            if not set_aside_damaged(db, run_id):
                raise  # it is a chunk, which nothing can replace
            continue
        if not taken:
            return done
        done += taken


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
        born = c.execute(select(Run.born).where(Run.id == run_id)).scalar()
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
        return len(ids) if _swap(c, run_id, born, ids, pieces) else 0


def _make_pieces(c: Connection, run_id: str, attempt: int, ids: list[int]) -> Iterator[Piece]:
    payloads = c.execute(
        select(Batch.payload).where(Batch.run_id == run_id, Batch.id.in_(ids)).order_by(Batch.id)
    ).scalars()
    tails = select_series(payloads)
    totals = c.execute(
        select(Total.series_id, Total.compacted).where(Total.run_id == run_id, Total.attempt == attempt)
    )
    compacted = {row.series_id: row.compacted for row in totals}
    for series, columns in sorted(tails.items()):
        yield Growth(c, run_id, series, attempt).extend(columns, compacted[series])


def _swap(c: Connection, run_id: str, born: float | None, ids: list[int], pieces: list[Piece]) -> bool:
    """Put the pieces where the batches were; False, and nothing changed, where not all batches are there.

    The run may have been deleted meanwhile, and another of its id begun.
    """
    if c.execute(select(Run.born).where(Run.id == run_id).with_for_update()).scalar() != born:
        return False
    there = select(func.count()).where(Batch.run_id == run_id, Batch.id.in_(ids))
    if c.execute(there).scalar_one() != len(ids):
        return False
    store_pieces(c, run_id, pieces)
    c.execute(delete(Batch).where(Batch.run_id == run_id, Batch.id.in_(ids)))
    c.execute(update(Run).where(Run.id == run_id).values(horizon=max(ids)))
    return True
