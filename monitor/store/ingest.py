"""Taking in a batch: once by number, all of it or nothing, in one transaction.

What can be judged without the database is judged before the transaction begins: the lock is held briefly.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select, update

from monitor import protocol
from monitor.errors import Problem
from monitor.protocol import Receipt
from monitor.store.chain import UNKNOWN, Cover, is_diverged, read_cover
from monitor.store.columns import MAX_LISTED, Table, read_table
from monitor.store.commands import pending_commands
from monitor.store.database import Database, insert_into
from monitor.store.facets import index_run
from monitor.store.intake import Intake, is_newest
from monitor.store.plain import INDEXED, fits_int64, plain_json, plain_text
from monitor.store.points import store_points
from monitor.store.records import store_records
from monitor.store.schema import Attempt, Run, Writer

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_ATTEMPT = 2**31


@dataclass(frozen=True)
class Applied:
    """What came of a batch; ``changed`` names what a page must fetch again: points, images, state."""

    receipt: Receipt
    run_version: int
    changed: frozenset[str]
    #: Whether the run is to be judged: most batches hold numbers between two marks, and nothing else.
    is_news: bool = False


def apply_batch(db: Database, run_id: str, batch: protocol.Batch, now: float) -> Applied:
    """Store what is new of the batch; :class:`Problem` where nothing of it was."""
    if batch.version != protocol.PROTOCOL_VERSION:
        raise Problem(
            400,
            "protocol-version",
            f"This server speaks version {protocol.PROTOCOL_VERSION}.",
            field="version",
        )
    if not _RUN_ID.fullmatch(run_id):
        raise Problem(400, "malformed", "A run id is up to 64 of A-Z a-z 0-9 . _ -", field="run")
    if batch.attempt > _MAX_ATTEMPT or not fits_int64(batch.dropped):
        raise Problem(400, "malformed", "An impossible attempt or count of drops.", field="attempt")
    tables = [read_table(record) for record in batch.records if isinstance(record, protocol.Points)]
    cover = read_cover(batch, tables)
    with db.write() as c:
        return _apply(c, run_id, _Checked(batch, tables, cover), now)


class _Checked(NamedTuple):
    batch: protocol.Batch
    tables: list[Table]
    cover: Cover


def _apply(c: Connection, run_id: str, checked: _Checked, now: float) -> Applied:
    batch, tables, cover = checked
    run, writer = _lock_run(c, run_id), _find_writer(c, run_id, batch.writer)
    if writer is None:
        if batch.first > 1:
            raise Problem(404, "unknown-writer", "Nothing of this writer is stored; begin with record 1.")
        if batch.last == 0:
            return Applied(Receipt(high_water=0), 0 if run is None else run.version, frozenset())
        begin = _find_begin(run_id, batch, now)
        if run is None:
            _make_run(c, run_id, begin, batch.replayed, now)
            # Where the same batch came twice, the other one may have been first.
            run, writer = _lock_run(c, run_id), _find_writer(c, run_id, batch.writer)
        if writer is None:
            _make_writer(c, run_id, begin, batch, now)
            writer = _find_writer(c, run_id, batch.writer)
    assert run is not None
    assert writer is not None
    if batch.first > writer.high_water + 1:
        expected = writer.high_water + 1
        raise Problem(
            409,
            "gap",
            f"The next record must be {expected}, not {batch.first}.",
            field="first",
            expected=expected,
        )
    if is_diverged(batch, cover, writer.high_water, writer.chain, writer.recent):
        raise Problem(409, "diverged", "Other content is stored under these numbers.", field="checksums")
    intake = Intake(c, run_id, batch, now, writer.rank, writer.high_water, run.version + 1)
    if batch.last > writer.high_water:
        _store(intake, run, tables)
        chain = cover.chain_after(batch.last)
        intake.of_writer["high_water"] = batch.last
        intake.of_writer["chain"] = UNKNOWN if chain is None else chain
        intake.of_writer["recent"] = cover.links(writer.recent)
    return _conclude(intake, run, writer)


def _lock_run(c: Connection, run_id: str) -> Row[Any] | None:
    return c.execute(select(Run).where(Run.id == run_id).with_for_update()).first()


def _find_writer(c: Connection, run_id: str, writer: str) -> Row[Any] | None:
    return c.execute(select(Writer).where(Writer.run_id == run_id, Writer.id == writer)).first()


def _find_begin(run_id: str, batch: protocol.Batch, now: float) -> protocol.Begin:
    begin = next((record for record in batch.records if isinstance(record, protocol.Begin)), None)
    if begin is not None:
        return begin
    if not any(isinstance(record, protocol.Gap) for record in batch.records):
        raise Problem(400, "malformed", "A writer's first record must be Begin.", field="records")
    # The record that said it is lost, but what follows need not be.
    return protocol.Begin(sequence=1, time=now, project="default", name=run_id, resume=True)


def _make_run(c: Connection, run_id: str, begin: protocol.Begin, replayed: bool, now: float) -> None:
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


def _make_writer(
    c: Connection, run_id: str, begin: protocol.Begin, batch: protocol.Batch, now: float
) -> None:
    rank = begin.rank if fits_int64(begin.rank) else 0
    taken = select(Writer.id).where(Writer.run_id == run_id, Writer.rank == rank).limit(1)
    if not begin.resume and not batch.replayed and c.execute(taken).first() is not None:
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
            state="running",
            attempt=batch.attempt,
            high_water=0,
            chain=0,
            recent=b"",
            dropped=0,
            began=began,
            last_seen=now,
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
    return min(begin.time, now) if math.isfinite(begin.time) else now


def _described(begin: protocol.Begin) -> dict[str, Any]:
    return {"config": plain_json(begin.config), "commands": list(dict.fromkeys(begin.commands))}


def _store(intake: Intake, run: Row[Any], tables: list[Table]) -> None:
    batch = intake.batch
    intake.c.execute(
        insert_into(intake.c, Attempt)
        .values(
            run_id=intake.run_id,
            number=batch.attempt,
            parent=batch.attempt - 1 if batch.attempt else None,
            reason="",
            began=intake.now,
        )
        .on_conflict_do_nothing()
    )
    if batch.attempt > run.attempt:
        intake.of_run["attempt"] = batch.attempt
        intake.changed.add("state")
    store_records(intake)
    store_points(intake, tables)
    if batch.attempt >= run.attempt:
        reached = [intake.last_step, run.last_step if batch.attempt == run.attempt else _origin(intake)]
        intake.of_run["last_step"] = max((step for step in reached if step is not None), default=None)


def _origin(intake: Intake) -> int | None:
    """The step that the batch's attempt went back to."""
    return intake.c.execute(
        select(Attempt.from_step).where(
            Attempt.run_id == intake.run_id, Attempt.number == intake.batch.attempt
        )
    ).scalar()


def _conclude(intake: Intake, run: Row[Any], writer: Row[Any]) -> Applied:
    batch, c = intake.batch, intake.c
    if batch.dropped > writer.dropped:
        intake.of_writer["dropped"] = batch.dropped
        intake.of_run["dropped"] = run.dropped + batch.dropped - writer.dropped
        intake.changed.add("state")
    if intake.rejected:
        intake.of_run["rejected"] = run.rejected + len(intake.rejected)
        intake.changed.add("state")
    if not batch.replayed:
        intake.of_run["last_seen"] = max(run.last_seen, intake.now)
        if run.state == "lost":
            intake.of_run.setdefault("state", "running")
            intake.changed.add("state")
            intake.is_news = True
    is_new = batch.last > writer.high_water
    version = intake.version if is_new or intake.changed else run.version
    if intake.of_run or version != run.version:
        c.execute(update(Run).where(Run.id == intake.run_id).values(version=version, **intake.of_run))
    c.execute(
        update(Writer)
        .where(Writer.run_id == intake.run_id, Writer.id == batch.writer)
        .values(attempt=max(writer.attempt, batch.attempt), last_seen=intake.now, **intake.of_writer)
    )
    receipt = Receipt(
        high_water=max(writer.high_water, batch.last),
        rejected=intake.rejected[:MAX_LISTED],
        commands=_commands_for(intake, writer),
    )
    return Applied(receipt, version, frozenset(intake.changed), intake.is_news)


def _commands_for(intake: Intake, writer: Row[Any]) -> list[protocol.Command]:
    """Commands go to the newest living process of rank 0, and to nobody who speaks for a dead one."""
    ended = intake.of_writer.get("state", writer.state) != "running"
    if intake.batch.replayed or ended or writer.rank != 0:
        return []
    waiting = pending_commands(intake.c, intake.run_id, intake.now)
    return waiting if waiting and is_newest(intake.c, intake.run_id, writer.id, 0) else []
