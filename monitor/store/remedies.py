"""Attempts as people see them: what each did about a turning point, and what that brought."""

from __future__ import annotations

from math import isfinite
from statistics import median
from typing import Any

from sqlalchemy import Connection, and_, select

from monitor.store.detectors import series_by_role
from monitor.store.lineage import Segment, shown_by, trace
from monitor.store.plain import float_of, number_of
from monitor.store.schema import Attempt, Command, Mark, MarkValue

#: Evaluations that a level is the median of.
LEVEL = 10


def list_attempts(c: Connection, run_id: str) -> list[dict[str, Any]]:
    """Every attempt; of one with a remedy also the alert that asked for it and what it brought:

        {"Q": {"before": level where it went back to, "turn": what it left, "now": level since}, "D": {...}}

    Levels are medians of the last ``LEVEL`` evaluations; null where there is none yet.
    """
    rows = c.execute(
        select(
            Attempt.number,
            Attempt.parent,
            Attempt.from_step,
            Attempt.reason,
            Attempt.began,
            Attempt.remedy,
            Command.parameters,
        )
        .outerjoin(Command, and_(Command.run_id == Attempt.run_id, Command.id == Attempt.command))
        .where(Attempt.run_id == run_id)
        .order_by(Attempt.number)
    ).all()
    origins = {row.number: (row.parent, row.from_step) for row in rows}
    attempts = []
    for row in rows:
        attempt = dict(row._mapping)
        attempt["alert"] = (attempt.pop("parameters") or {}).get("alert")
        attempt["brought"] = None
        if row.remedy is not None:
            attempt["brought"] = _brought(c, run_id, trace(origins, row.number))
        attempts.append(attempt)
    return attempts


def remedies_left(config: dict[str, Any], on_turning_point: str, taken: int) -> list[str] | None:
    """Those of its recipe that a run which took so many has left, the next one first; None where its
    configuration names none, as of loops that are not gantrain's.
    """
    rescue = config.get("rescue")
    named = rescue.get("remedies") if isinstance(rescue, dict) else None
    if not isinstance(named, list):
        return None
    if on_turning_point == "rollback":
        named = ["rollback"]
    return [str(name) for name in named[taken:]]


def remedies_taken(c: Connection, run_id: str) -> list[dict[str, Any]]:
    """Each with its name and its settings, in the order of the attempts that took them."""
    attempts = select(Attempt.remedy).where(Attempt.run_id == run_id).order_by(Attempt.number)
    return [remedy for remedy in c.execute(attempts).scalars() if remedy is not None]


def _brought(c: Connection, run_id: str, segments: list[Segment]) -> dict[str, dict[str, float | str | None]]:
    *before, now = segments
    left = [Segment(before[-1].attempt, None)] if before else []
    roles = series_by_role(c, run_id)
    return {
        role: {
            "before": _level(_newest(c, run_id, before, roles[role].id, LEVEL)),
            "turn": _level(_newest(c, run_id, left, roles[role].id, 1)),
            "now": _level(_newest(c, run_id, [now], roles[role].id, LEVEL)),
        }
        for role in ("Q", "D")
        if role in roles
    }


def _newest(c: Connection, run_id: str, segments: list[Segment], series: int, count: int) -> list[float]:
    if not segments:
        return []
    same = and_(
        MarkValue.run_id == Mark.run_id, MarkValue.attempt == Mark.attempt, MarkValue.index == Mark.index
    )
    values = c.execute(
        select(MarkValue.value)
        .join(Mark, same)
        .where(
            Mark.run_id == run_id, shown_by(segments, Mark.attempt, Mark.step), MarkValue.series_id == series
        )
        .order_by(Mark.step.desc(), Mark.index.desc())
        .limit(count)
    ).scalars()
    return [float_of(value) for value in values]


def _level(values: list[float]) -> float | str | None:
    """The median of those that are numbers."""
    finite = [value for value in values if isfinite(value)]
    if finite:
        return median(finite)
    return number_of(values[0]) if values else None
