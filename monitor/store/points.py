"""The points of a batch: one row for the tail, the totals of each series, and the values that name a mark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import case

from monitor import protocol
from monitor.store.columns import Table, fault_of_name, show_name
from monitor.store.database import insert_into
from monitor.store.intake import Intake
from monitor.store.plain import text_of
from monitor.store.registry import Registry
from monitor.store.schema import Batch, MarkValue, Total
from monitor.store.tail import Group, encode_tail

_KINDS = {1: "scalar", len(protocol.DISTRIBUTION_FIELDS): "distribution"}
_MEAN = protocol.DISTRIBUTION_FIELDS.index("mean")


@dataclass
class _Sum:
    """What the batch adds to one series."""

    count: int
    non_finite: int
    first_step: int
    last_step: int
    last_time: float
    last: float

    def add(self, other: _Sum) -> None:
        self.count += other.count
        self.non_finite += other.non_finite
        self.first_step = min(self.first_step, other.first_step)
        if other.last_step >= self.last_step:
            self.last_step, self.last_time, self.last = other.last_step, other.last_time, other.last


def store_points(intake: Intake, tables: list[Table]) -> None:
    fresh = [table for table in tables if (table.sequence > intake.after).any()]
    if not fresh:
        return
    wanted = {intake.series_name(name): name for table in fresh for name in table.names}
    registry = Registry(
        intake.c, intake.run_id, (stored for stored in wanted if fault_of_name(stored) is None)
    )
    groups: list[Group] = []
    marks: dict[tuple[int, int], float] = {}
    for table in fresh:
        intake.rejected.extend(table.rejections(intake.after))
        series = _series_of(intake, registry, table)
        groups.extend(table.groups(series, intake.after))
        for mark, name, value in table.marked(intake.after):
            if name in series:
                marks[mark, series[name]] = value
    if not groups:
        return
    intake.changed.add("points")
    intake.c.execute(
        insert_into(intake.c, Batch).values(
            run_id=intake.run_id,
            id=intake.version,
            writer=intake.batch.writer,
            attempt=intake.attempt,
            first=max(intake.batch.first, intake.after + 1),
            last=intake.batch.last,
            received=intake.now,
            points=sum(group.values.shape[0] * group.values.shape[1] for group in groups),
            payload=encode_tail(groups),
        )
    )
    sums = _sums(groups)
    intake.last_step = max(part.last_step for part in sums.values())
    _add_totals(intake, sums)
    _store_mark_values(intake, marks)
    intake.is_news |= bool(marks) or any(part.non_finite for part in sums.values())


def _series_of(intake: Intake, registry: Registry, table: Table) -> dict[str, int]:
    """The id of each name of the table that can be stored."""
    kind = _KINDS[table.values.shape[2]]
    kinds: dict[str, str] = {}
    for name in table.names:
        fault = fault_of_name(intake.series_name(name))
        if fault is None:
            kinds[intake.series_name(name)] = kind
        else:
            intake.reject(show_name(name), "", fault)
    known = registry.resolve(kinds)
    ids: dict[str, int] = {}
    for name in table.names:
        found = known.get(intake.series_name(name))
        if found is None:
            continue
        if found.kind == kind:
            ids[name] = found.id
        else:
            intake.reject(show_name(name), "", f"a {kind}, but the series is a {found.kind}")
    return ids


def _sums(groups: Iterable[Group]) -> dict[int, _Sum]:
    sums: dict[int, _Sum] = {}
    for group in groups:
        rows, width = group.values.shape[1:]
        newest = rows - 1 - int(np.argmax(group.steps[::-1]))
        bad = (~np.isfinite(group.values)).any(axis=2).sum(axis=1).tolist()
        last = group.values[:, newest, _MEAN if width > 1 else 0].tolist()
        first_step, last_step = int(group.steps.min()), int(group.steps[newest])
        last_time = float(group.times[newest])
        for series, non_finite, value in zip(group.series.tolist(), bad, last, strict=True):
            part = _Sum(rows, non_finite, first_step, last_step, last_time, value)
            if series in sums:
                sums[series].add(part)
            else:
                sums[series] = part
    return sums


def _add_totals(intake: Intake, sums: dict[int, _Sum]) -> None:
    insert = insert_into(intake.c, Total)
    new = insert.excluded
    newer = new.last_step >= Total.last_step
    statement = insert.on_conflict_do_update(
        index_elements=[Total.run_id, Total.series_id, Total.attempt],
        set_={
            "count": Total.count + new.count,
            "non_finite": Total.non_finite + new.non_finite,
            "first_step": case((new.first_step < Total.first_step, new.first_step), else_=Total.first_step),
            "last_step": case((newer, new.last_step), else_=Total.last_step),
            "last_time": case((newer, new.last_time), else_=Total.last_time),
            "last": case((newer, new.last), else_=Total.last),
        },
    )
    intake.c.execute(
        statement,
        [
            {
                "run_id": intake.run_id,
                "series_id": series,
                "attempt": intake.attempt,
                "count": part.count,
                "non_finite": part.non_finite,
                "first_step": part.first_step,
                "last_step": part.last_step,
                "last_time": part.last_time,
                "last": text_of(part.last),
                "compacted": 0,
            }
            for series, part in sorted(sums.items())
        ],
    )


def _store_mark_values(intake: Intake, marks: dict[tuple[int, int], float]) -> None:
    if not marks:
        return
    insert = insert_into(intake.c, MarkValue)
    keys = [MarkValue.run_id, MarkValue.attempt, MarkValue.index, MarkValue.series_id]
    intake.c.execute(
        insert.on_conflict_do_update(index_elements=keys, set_={"value": insert.excluded.value}),
        [
            {
                "run_id": intake.run_id,
                "attempt": intake.attempt,
                "index": mark,
                "series_id": series,
                "value": text_of(value),
            }
            for (mark, series), value in marks.items()
        ],
    )
