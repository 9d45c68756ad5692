"""How a run, and each process that writes it, comes into the database: by the first record of a writer."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Connection, func, select, update

from monitor import protocol
from monitor.errors import Problem
from monitor.store.database import insert_into
from monitor.store.facets import index_run
from monitor.store.plain import INDEXED, fits_int64, is_moment, plain_json, plain_text
from monitor.store.schema import Attempt, Run, Writer


def find_begin(run_id: str, batch: protocol.Batch, now: float) -> protocol.Begin:
    """The record that begins the writer; :class:`Problem` where there should be one and is none."""
    begin = next((record for record in batch.records if isinstance(record, protocol.Begin)), None)
    if begin is not None:
        return begin
    if not any(isinstance(record, protocol.Gap) for record in batch.records):
        raise Problem(400, "malformed", "A writer's first record must be Begin.", field="records")
    # The record that said it is lost, but what follows need not be.
    return protocol.Begin(sequence=1, time=now, project="default", name=run_id, resume=True)


def make_run(c: Connection, run_id: str, begin: protocol.Begin, replayed: bool, now: float) -> None:
    """The run and its attempt 0, unless somebody else was faster."""
    began = _began(begin, now)
    made = c.execute(
        insert_into(c, Run)
        .values(
            id=run_id,
            project=plain_text(begin.project, INDEXED) or "default",
            name=plain_text(begin.name) or run_id,
            tags=[plain_text(tag) for tag in begin.tags],
            notes="",
            state="lost" if replayed else "running",
            message="",
            created=began,
            last_seen=began if replayed else now,
            attempt=0,
            dropped=0,
            rejected=0,
            archived=False,
            version=0,
            born=now,
            **_described(begin),
        )
        .on_conflict_do_nothing()
        .returning(Run.id)
    )
    if made.first() is None:
        return
    c.execute(
        insert_into(c, Attempt)
        .values(run_id=run_id, number=0, reason="", began=began)
        .on_conflict_do_nothing()
    )
    index_run(c, run_id)


def make_writer(c: Connection, run_id: str, begin: protocol.Begin, batch: protocol.Batch, now: float) -> None:
    """The writer; :class:`Problem` where the run is another process's."""
    rank = begin.rank if fits_int64(begin.rank) else 0
    taken = select(Writer.id).where(Writer.run_id == run_id, Writer.rank == rank).limit(1)
    if batch.replayed:
        # Delivered late, the first process may come after those that go on with its run.
        taken = taken.where(Writer.resumed.is_(False))
    if not begin.resume and c.execute(taken).first() is not None:
        raise Problem(
            409, "run-taken", f"Run {run_id!r} is written by another process; resume it, or take another id."
        )
    if batch.replayed:
        # Dead before whoever lives now began, however late this is delivered.
        began = _began(begin, now)
    else:
        # Later than every other's, whatever the clock did, for the newest process of a rank has the say.
        newest = c.execute(select(func.max(Writer.began)).where(Writer.run_id == run_id)).scalar()
        began = now if newest is None else max(now, math.nextafter(newest, math.inf))
    c.execute(
        insert_into(c, Writer).values(
            run_id=run_id,
            id=batch.writer,
            rank=rank,
            host=plain_text(begin.host),
            process=begin.process if fits_int64(begin.process) else 0,
            # One that was never heard of while it lived cannot have fallen silent.
            state="lost" if batch.replayed else "running",
            attempt=batch.attempt,
            high_water=0,
            chain=0,
            recent=b"",
            dropped=0,
            began=began,
            last_seen=began if batch.replayed else now,
            resumed=begin.resume,
        )
    )
    if rank == 0 and not batch.replayed:
        known = {key: value for key, value in _described(begin).items() if value or key == "commands"}
        c.execute(
            update(Run).where(Run.id == run_id).values(state="running", ended=None, message="", **known)
        )
        index_run(c, run_id)


def _began(begin: protocol.Begin, now: float) -> float:
    """When the process says that it began, if that can be."""
    return min(begin.time, now) if is_moment(begin.time) else now


def _described(begin: protocol.Begin) -> dict[str, Any]:
    return {
        "config": plain_json(begin.config),
        "commands": list(dict.fromkeys(begin.commands)),
        "on_turning_point": begin.on_turning_point,
    }
