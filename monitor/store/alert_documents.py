"""Alerts as people see them: with their transitions, and the images around the onset.

A page of alerts takes the same few queries whatever it holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, column, func, select, tuple_, values

from monitor.errors import Problem
from monitor.store.lineage import trace
from monitor.store.plain import INT64_MAX, plain_text
from monitor.store.schema import BIG, RUN, Alert, Attempt, Image, Run, Transition

#: Grids shown before the onset, and from the onset on, of each name.
IMAGES_BEFORE, IMAGES_FROM = 2, 3

Key = tuple[str, str]
#: Run, attempt and step.
Onset = tuple[str, int, int | None]


def list_alerts(
    c: Connection,
    run_id: str | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
    *,
    rule: str | None = None,
    notified_after: float | None = None,
) -> dict[str, Any]:
    """A page of alerts, the newest first, and the cursor of the next page."""
    conditions: list[ColumnElement[bool]] = []
    if run_id is not None:
        conditions.append(Alert.run_id == run_id)
    if state is not None:
        conditions.append(Alert.state == state)
    if rule is not None:
        conditions.append(Alert.rule == plain_text(rule))
    if notified_after is not None:
        conditions.append(Alert.notified > notified_after)
    if cursor is not None:
        conditions.append(tuple_(Alert.began, Alert.run_id, Alert.id) < tuple_(*_parse_cursor(cursor)))
    found = _documents(c, conditions, limit + 1)
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    return {"alerts": page, "next": f"{last['began']!r}~{last['run']}~{last['id']}" if last else None}


def get_alert(c: Connection, run_id: str, key: str) -> dict[str, Any]:
    found = _documents(c, [Alert.run_id == run_id, Alert.id == plain_text(key)], 1)
    if not found:
        raise Problem(404, "unknown-alert", f"Run {run_id!r} has no alert {plain_text(key)!r}.")
    return found[0]


def _parse_cursor(cursor: str) -> tuple[float, str, str]:
    try:
        began, run_id, key = plain_text(cursor).split("~")
        return float(began), run_id, key
    except ValueError:
        raise Problem(
            400, "bad-cursor", "The cursor is not one that was given out.", field="cursor"
        ) from None


def _documents(c: Connection, conditions: list[ColumnElement[bool]], limit: int) -> list[dict[str, Any]]:
    rows = c.execute(
        select(
            Alert.id,
            Alert.run_id.label("run"),
            Run.name.label("run_name"),
            Alert.attempt,
            Alert.rule,
            Alert.state,
            Alert.severity,
            Alert.title,
            Alert.sentence,
            Alert.onset_step,
            Alert.onset_epoch,
            Alert.detected_step,
            Alert.detected_epoch,
            Alert.signals,
            Alert.began,
            Alert.updated,
            Alert.resolved,
            Alert.acknowledged,
            Alert.acknowledged_by,
            Alert.snoozed_until,
            Alert.snoozed_by,
            Alert.notified,
        )
        .join(Run, Run.id == Alert.run_id)
        .where(*conditions)
        .order_by(Alert.began.desc(), Alert.run_id.desc(), Alert.id.desc())
        .limit(limit)
    ).all()
    transitions, images = _transitions(c, rows), _images(c, rows)
    return [
        {
            **row._mapping,
            "transitions": transitions[row.run, row.id],
            "images": images[row.run, row.attempt, row.onset_step],
        }
        for row in rows
    ]


def _transitions(c: Connection, alerts: Sequence[Any]) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    if not alerts:
        return found
    of_alerts = tuple_(Transition.run_id, Transition.alert_id).in_([(row.run, row.id) for row in alerts])
    for row in c.execute(
        select(Transition.run_id, Transition.alert_id, Transition.time, Transition.state, Transition.reason)
        .where(of_alerts)
        .order_by(Transition.run_id, Transition.alert_id, Transition.number)
    ):
        transition = {"time": row.time, "state": row.state, "reason": row.reason}
        found[row.run_id, row.alert_id].append(transition)
    return found


def _images(c: Connection, alerts: Sequence[Any]) -> dict[Onset, list[dict[str, Any]]]:
    """The grids of the alert's lineage that are nearest to each onset, by step."""
    found: dict[Onset, list[dict[str, Any]]] = defaultdict(list)
    onsets = sorted({(row.run, row.attempt, row.onset_step) for row in alerts if row.onset_step is not None})
    if not onsets:
        return found
    origins: dict[str, dict[int, tuple[int | None, int | None]]] = defaultdict(dict)
    of_runs = Attempt.run_id.in_({run_id for run_id, _, _ in onsets})
    for row in c.execute(select(Attempt).where(of_runs)):
        origins[row.run_id][row.number] = (row.parent, row.from_step)
    around = (
        values(
            column("run_id", RUN),
            column("attempt", BIG),
            column("upto", BIG),
            column("onset", BIG),
            column("step", BIG),
        )
        .data(
            [
                (run_id, shown.attempt, INT64_MAX if shown.upto is None else shown.upto, number, step)
                for number, (run_id, attempt, step) in enumerate(onsets)
                for shown in trace(origins[run_id], attempt)
            ]
        )
        .cte("around")
    )
    is_later = Image.step >= around.c.step
    distance = func.abs(Image.step - around.c.step)
    rank = func.row_number().over(
        partition_by=(around.c.onset, Image.name, is_later),
        order_by=(distance, Image.attempt.desc(), Image.writer, Image.sequence),
    )
    ranked = (
        select(
            around.c.onset, Image.name, Image.step, Image.digest, is_later.label("later"), rank.label("rank")
        )
        .join(around, and_(Image.run_id == around.c.run_id, Image.attempt == around.c.attempt))
        .where(Image.step <= around.c.upto)
        .subquery()
    )
    most = case((ranked.c.later, IMAGES_FROM), else_=IMAGES_BEFORE)
    nearest = select(ranked.c.onset, ranked.c.name, ranked.c.step, ranked.c.digest).where(
        ranked.c.rank <= most
    )
    for near in c.execute(nearest.order_by(ranked.c.onset, ranked.c.name, ranked.c.step)):
        image = {"name": near.name, "step": near.step, "digest": near.digest}
        found[onsets[near.onset]].append(image)
    return found
