"""What people said of alerts that were none, how much healthy training was watched, the e-detector's mark.

A dismissal and a mark are transitions of the alert beside its state, as an acknowledgement is: who said what
when stays readable.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, exists, func, select, update

from monitor.alerts.lifecycle import Transition as Noted
from monitor.detection.false_alarms import FalseAlarms
from monitor.errors import Problem
from monitor.store.alert_documents import get_alert
from monitor.store.alerts import note, raise_version
from monitor.store.database import Database
from monitor.store.plain import plain_text
from monitor.store.schema import Alert, DetectorState, Mark, Run, Transition

DISMISSED, MARKED = "dismissed", "guaranteed"


def dismiss(db: Database, run_id: str, key: str, by: str, now: float) -> dict[str, Any]:
    """Note that an alert was false; the first who says so stays."""
    with db.write() as c:
        # Judging holds the run while it moves its alerts: the same lock in the same order.
        c.execute(select(Run.id).where(Run.id == run_id).with_for_update())
        row = c.execute(select(Alert.id).where(Alert.run_id == run_id, Alert.id == plain_text(key))).first()
        if row is None:
            raise Problem(404, "unknown-alert", f"Run {run_id!r} has no alert {plain_text(key)!r}.")
        _note(c, (run_id, row.id), DISMISSED, by, now)
        return get_alert(c, run_id, row.id)


def mark(c: Connection, run_id: str, *, attempt: int, rule: str, reason: str, now: float) -> bool:
    """Put the e-detector's mark on the alert of a rule that fires; whether there is one without."""
    row = c.execute(
        select(Alert.id, Alert.state)
        .where(Alert.run_id == run_id, Alert.attempt == attempt, Alert.rule == rule)
        .order_by(Alert.episode.desc())
        .limit(1)
    ).first()
    return row is not None and row.state == "firing" and _note(c, (run_id, row.id), MARKED, reason, now)


def observed(c: Connection, rule: str) -> FalseAlarms:
    """Over all that is stored: a run is healthy up to the onset of its attempt's first true alert."""
    confirmed = and_(Alert.rule == rule, _has("firing"))
    counted = select(func.count(), func.count().filter(_has(DISMISSED))).where(confirmed)
    alerts, dismissed = c.execute(counted.select_from(Alert)).one()
    turned = (
        select(Alert.run_id, Alert.attempt, func.min(Alert.onset_step).label("step"))
        .where(confirmed, ~_has(DISMISSED))
        .group_by(Alert.run_id, Alert.attempt)
        .subquery()
    )
    judged = select(func.coalesce(func.sum(DetectorState.judged), 0)).where(DetectorState.detector == rule)
    behind_turns = (
        select(func.count())
        .select_from(turned)
        .join(
            DetectorState,
            and_(
                DetectorState.run_id == turned.c.run_id,
                DetectorState.attempt == turned.c.attempt,
                DetectorState.detector == rule,
            ),
        )
        .join(
            Mark,
            and_(
                Mark.run_id == turned.c.run_id,
                Mark.attempt == turned.c.attempt,
                Mark.index < DetectorState.cursor,
                Mark.step >= turned.c.step,
            ),
        )
    )
    healthy = int(c.execute(judged).scalar_one()) - c.execute(behind_turns).scalar_one()
    return FalseAlarms(dismissed, alerts, healthy)


def _has(state: str) -> Any:
    return exists().where(
        Transition.run_id == Alert.run_id, Transition.alert_id == Alert.id, Transition.state == state
    )


def _note(c: Connection, alert: tuple[str, str], state: str, reason: str, now: float) -> bool:
    run_id, key = alert
    of_alert = and_(Transition.run_id == run_id, Transition.alert_id == key)
    known = c.execute(
        select(func.count(), func.count().filter(Transition.state == state)).where(of_alert)
    ).one()
    if known[1]:
        return False
    updated = c.execute(select(Alert.updated).where(Alert.run_id == run_id, Alert.id == key)).scalar_one()
    time = max(now, updated)
    c.execute(update(Alert).where(Alert.run_id == run_id, Alert.id == key).values(updated=time))
    note(c, run_id, key, [Noted(known[0], time, state, reason, notifies=False)], channels=(), now=now)
    raise_version(c, run_id)
    return True
