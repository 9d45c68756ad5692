"""Taking in a batch: once by number, all of it or nothing, in one transaction.

What can be judged without the database is judged before the transaction begins: the lock is held briefly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, bindparam, select, update

from monitor import protocol
from monitor.errors import Problem
from monitor.protocol import Receipt
from monitor.store.attempts import MAX_ATTEMPT, Branches
from monitor.store.beginnings import find_begin, make_run, make_writer
from monitor.store.chain import UNKNOWN, Cover, is_diverged, read_cover
from monitor.store.columns import MAX_LISTED, Table, read_table
from monitor.store.commands import pending_commands
from monitor.store.database import Database, insert_into
from monitor.store.intake import Intake, is_newest
from monitor.store.plain import is_moment
from monitor.store.points import store_points
from monitor.store.records import store_records
from monitor.store.schema import Attempt, Run, Writer

#: Of one writer; those of a run's writers are added up.
_MOST_DROPPED = 2**53
#: What a batch changes of its run. The rest, such as a long configuration, is not read with every batch.
_RUN = (
    select(Run.version, Run.state, Run.attempt, Run.last_step, Run.last_seen, Run.dropped, Run.rejected)
    .where(Run.id == bindparam("run_id"))
    .with_for_update()
)


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
    if not protocol.RUN_ID.fullmatch(run_id):
        raise Problem(400, "malformed", "A run id is up to 64 of A-Z a-z 0-9 . _ -", field="run")
    if batch.attempt > MAX_ATTEMPT or batch.dropped > _MOST_DROPPED:
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
        begin = find_begin(run_id, batch, now)
        if run is None:
            make_run(c, run_id, begin, batch.replayed, now)
            # Where the same batch came twice, the other one may have been first.
            run, writer = _lock_run(c, run_id), _find_writer(c, run_id, batch.writer)
        if writer is None:
            make_writer(c, run_id, begin, batch, now)
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
    branches = Branches(c, run_id, writer)
    attempt = _attempt_of(batch, branches, writer.high_water)
    intake = Intake(c, run_id, batch, now, writer.rank, writer.high_water, attempt, branches, run.version + 1)
    if batch.last > writer.high_water:
        _store(intake, run, tables)
        chain = cover.chain_after(batch.last)
        intake.of_writer["high_water"] = batch.last
        intake.of_writer["chain"] = UNKNOWN if chain is None else chain
        intake.of_writer["recent"] = cover.links(writer.recent)
    return _conclude(intake, run, writer)


def _lock_run(c: Connection, run_id: str) -> Row[Any] | None:
    found: Row[Any] | None = c.execute(_RUN, {"run_id": run_id}).first()  # type: ignore[assignment]
    return found


def _find_writer(c: Connection, run_id: str, writer: str) -> Row[Any] | None:
    return c.execute(select(Writer).where(Writer.run_id == run_id, Writer.id == writer)).first()


def _attempt_of(batch: protocol.Batch, branches: Branches, high_water: int) -> int:
    """The attempt that the writer means by the batch's."""
    if batch.last <= high_water:
        # Nothing new, so nothing is settled by it.
        known = branches.find(batch.attempt)
        return batch.attempt if known is None else known
    begun = (record for record in batch.records if isinstance(record, protocol.Attempt))
    told = next((record for record in begun if record.parent < record.number == batch.attempt), None)
    return branches.resolve(batch.attempt, told)


def _store(intake: Intake, run: Row[Any], tables: list[Table]) -> None:
    batch = intake.batch
    intake.c.execute(
        insert_into(intake.c, Attempt)
        .values(
            run_id=intake.run_id,
            number=intake.attempt,
            parent=intake.attempt - 1 if intake.attempt else None,
            reason="",
            began=intake.now,
        )
        .on_conflict_do_nothing()
    )
    # What a process does that another took over from is kept, and not shown.
    if intake.attempt > run.attempt and is_newest(intake.c, intake.run_id, batch.writer, intake.rank):
        intake.of_run["attempt"] = intake.attempt
        intake.changed.add("state")
    store_records(intake)
    store_points(intake, tables)
    moments = [record.time for record in batch.records if isinstance(record, protocol.Mark | protocol.End)]
    moments += [float(table.times[-1]) for table in tables if len(table.times)]
    intake.said = max(filter(is_moment, moments), default=-math.inf)
    if intake.attempt == intake.of_run.get("attempt", run.attempt):
        reached = [intake.last_step, run.last_step if intake.attempt == run.attempt else _origin(intake)]
        intake.of_run["last_step"] = max((step for step in reached if step is not None), default=None)


def _origin(intake: Intake) -> int | None:
    """The step that the batch's attempt went back to."""
    return intake.c.execute(
        select(Attempt.from_step).where(Attempt.run_id == intake.run_id, Attempt.number == intake.attempt)
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
    seen = min(intake.said, intake.now) if batch.replayed else intake.now
    if seen > run.last_seen:
        intake.of_run["last_seen"] = seen
    if run.state == "lost" and not batch.replayed:
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
        .values(
            attempt=max(writer.attempt, batch.attempt),
            last_seen=max(writer.last_seen, seen),
            **intake.of_writer,
        )
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
    waiting = pending_commands(intake.c, intake.run_id, intake.attempt, intake.now)
    if not waiting or not is_newest(intake.c, intake.run_id, writer.id, 0):
        return []
    return [msgspec.structs.replace(command, attempt=intake.batch.attempt) for command in waiting]
