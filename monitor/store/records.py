"""Every record of a batch that is not points, in the order in which the writer said it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from monitor import protocol
from monitor.store.attempts import MAX_ATTEMPT
from monitor.store.columns import fault_of_name, show_name
from monitor.store.commands import acknowledge_command
from monitor.store.database import insert_into
from monitor.store.facets import index_run
from monitor.store.intake import Intake, is_newest
from monitor.store.plain import LONG, fits_int64, plain_json, plain_text
from monitor.store.registry import Registry
from monitor.store.schema import Attempt, Gap, Image, Mark, Run

#: Epochs beyond this are none: their differences must be numbers. Detectors count marks a little further.
MOST_EPOCHS, MOST_MARKS = 2.0**53, 2**62
#: Records that no rule reads.
_NO_NEWS = protocol.Configure | protocol.Image | protocol.Acknowledgement | protocol.Gap


def store_records(intake: Intake) -> None:
    others = [record for record in intake.batch.records if not isinstance(record, protocol.Points)]
    declared = [
        intake.series_name(record.name)
        for record in others
        if isinstance(record, protocol.Declare) and fault_of_name(record.name) is None
    ]
    registry = Registry(intake.c, intake.run_id, declared)
    for record in sorted(others, key=lambda record: record.sequence):
        if record.sequence <= intake.after:
            continue
        intake.is_news |= not isinstance(record, _NO_NEWS)
        match record:
            case protocol.Begin():
                intake.changed.add("state")
            case protocol.Configure():
                _configure(intake, record)
            case protocol.Attempt():
                _store_attempt(intake, record)
            case protocol.Declare():
                _declare(intake, registry, record)
            case protocol.Mark():
                _store_mark(intake, record)
            case protocol.Image():
                _store_image(intake, record)
            case protocol.End():
                _end(intake, record)
            case protocol.Acknowledgement():
                acknowledge_command(intake.c, intake.run_id, record.command, record.outcome, record.detail)
                intake.changed.add("state")
            case protocol.Gap():
                _store_gap(intake, record)


def _configure(intake: Intake, record: protocol.Configure) -> None:
    # The run is what its main process says.
    if intake.rank == 0:
        config = intake.c.execute(select(Run.config).where(Run.id == intake.run_id)).scalar_one()
        merged = {**config, **plain_json(record.config)}
        intake.c.execute(update(Run).where(Run.id == intake.run_id).values(config=merged))
        index_run(intake.c, intake.run_id)
        intake.changed.add("state")


def _store_attempt(intake: Intake, record: protocol.Attempt) -> None:
    if record.parent >= record.number:
        intake.reject("attempt", record.number, "it must go back to an earlier one")
        return
    if record.number > MAX_ATTEMPT or not fits_int64(record.from_step):
        intake.reject("attempt", record.number, "nobody counts that far")
        return
    number = intake.branches.resolve(record.number, record)
    described: dict[str, Any] = {
        "parent": intake.branches.resolve(record.parent),
        "from_step": record.from_step,
        "reason": plain_text(record.reason, LONG),
        "began": intake.time_of(record.time),
        "remedy": None if record.remedy is None else _described(record.remedy),
        "command": plain_text(record.command, 32) or None,
    }
    insert = insert_into(intake.c, Attempt).values(run_id=intake.run_id, number=number, **described)
    # A row without a step was made for points whose attempt nobody had described yet.
    intake.c.execute(
        insert.on_conflict_do_update(
            index_elements=[Attempt.run_id, Attempt.number], set_=described, where=Attempt.from_step.is_(None)
        )
    )
    intake.changed.add("state")


def _described(remedy: protocol.Remedy) -> dict[str, Any]:
    return {"name": plain_text(remedy.name), "settings": plain_json(remedy.settings)}


def _declare(intake: Intake, registry: Registry, record: protocol.Declare) -> None:
    name = intake.series_name(record.name)
    # The detector reads the run as rank 0 saw it.
    role = record.role if intake.rank == 0 else None
    fault = fault_of_name(name) or registry.declare(name, record, role)
    if fault is None:
        intake.changed.add("points")
    else:
        intake.reject(show_name(record.name), record.kind, fault)


def _store_mark(intake: Intake, record: protocol.Mark) -> None:
    if record.index > MOST_MARKS or not all(map(fits_int64, (record.step, record.images_seen))):
        intake.reject("mark", record.index, "beyond 64 bits")
        return
    epoch = record.epoch if record.epoch is not None and abs(record.epoch) <= MOST_EPOCHS else None
    intake.c.execute(
        insert_into(intake.c, Mark)
        .values(
            run_id=intake.run_id,
            attempt=intake.attempt,
            index=record.index,
            step=record.step,
            epoch=epoch,
            images_seen=record.images_seen,
            time=intake.time_of(record.time),
            expects=[plain_text(role, 64) for role in record.expects],
        )
        .on_conflict_do_nothing()
    )
    intake.changed.add("points")


def _store_image(intake: Intake, record: protocol.Image) -> None:
    fault = fault_of_name(record.name)
    if fault is None and not all(map(fits_int64, (record.step, record.mark, record.rows, record.columns))):
        fault = "beyond 64 bits"
    if fault is not None:
        intake.reject(show_name(record.name), record.digest, fault)
        return
    intake.c.execute(
        insert_into(intake.c, Image).values(
            run_id=intake.run_id,
            attempt=intake.attempt,
            writer=intake.batch.writer,
            sequence=record.sequence,
            name=record.name,
            step=record.step,
            mark=record.mark,
            time=intake.time_of(record.time),
            digest=record.digest,
            caption=plain_text(record.caption, LONG),
            rows=record.rows,
            columns=record.columns,
            scores=plain_json(record.scores),
        )
    )
    intake.changed.add("images")


def _end(intake: Intake, record: protocol.End) -> None:
    intake.of_writer["state"] = record.state
    intake.changed.add("state")
    # The end of a process that another took over from is not the end of the run.
    if intake.rank == 0 and is_newest(intake.c, intake.run_id, intake.batch.writer, 0):
        intake.of_run |= {
            "state": record.state,
            "message": plain_text(record.message, LONG),
            "ended": intake.time_of(record.time),
        }


def _store_gap(intake: Intake, record: protocol.Gap) -> None:
    intake.c.execute(
        insert_into(intake.c, Gap)
        .values(
            run_id=intake.run_id,
            writer=intake.batch.writer,
            first=record.sequence,
            last=record.last,
            time=intake.time_of(record.time),
            reason=plain_text(record.reason),
        )
        .on_conflict_do_nothing()
    )
    intake.changed.add("state")
