"""Batches whose bytes are not what was stored: set aside, so that the rest of their run goes on."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, Text, cast, delete, insert, literal, select, update

from monitor.store.chunks import ChunkError
from monitor.store.database import Database
from monitor.store.schema import Batch, DamagedBatch, Run
from monitor.store.tail import decode_tail

log = logging.getLogger("ganwatch")

_COLUMNS = ("run_id", "id", "attempt", "received", "points", "reason", "payload")


def set_aside_damaged(db: Database, run_id: str) -> int:
    """How many batches of the run's tail are damaged, and from now on in ``damaged_batch`` with the reason.

    Their points count among those that the run has dropped: its page shows that they are missing.
    """
    with db.read() as c:
        born = c.execute(select(Run.born).where(Run.id == run_id)).scalar()
        damaged = _find_damaged(c, run_id)
    if not damaged:
        return 0
    with db.write() as c:
        of_run = (Run.id == run_id, Run.born == born)
        if c.execute(select(Run.id).where(*of_run).with_for_update()).first() is None:
            return 0  # it was deleted meanwhile
        for batch, reason in damaged.items():
            one = (Batch.run_id == run_id, Batch.id == batch)
            said = cast(literal(reason), Text)
            row = select(
                Batch.run_id, Batch.id, Batch.attempt, Batch.received, Batch.points, said, Batch.payload
            )
            c.execute(insert(DamagedBatch).from_select(_COLUMNS, row.where(*one)))
            points = c.execute(delete(Batch).where(*one).returning(Batch.points)).scalar()
            c.execute(
                update(Run)
                .where(*of_run)
                .values(dropped=Run.dropped + (points or 0), version=Run.version + 1)
            )
            log.error("batch %d of run %s is damaged and set aside: %s", batch, run_id, reason)
    return len(damaged)


def _find_damaged(c: Connection, run_id: str) -> dict[int, str]:
    damaged = {}
    batches = select(Batch.id, Batch.payload).where(Batch.run_id == run_id).execution_options(yield_per=64)
    for batch, payload in c.execute(batches):
        try:
            for _ in decode_tail(payload):
                pass
        except ChunkError as error:
            damaged[batch] = str(error)
    return damaged
