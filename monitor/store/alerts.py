"""Alerts: one row an episode, its transitions, and what has to be said about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from monitor.alerts import lifecycle
from monitor.alerts.lifecycle import INACTIVE, Episode, Observation
from monitor.errors import Problem
from monitor.store import outbox
from monitor.store.alert_documents import get_alert
from monitor.store.database import Database, insert_into
from monitor.store.plain import plain_json, plain_text
from monitor.store.schema import Alert, Run, Transition


@dataclass(frozen=True)
class Finding:
    """What a rule observed, and how the alert reads if this begins or confirms one."""

    rule: str
    attempt: int
    observation: Observation
    reason: str = ""
    severity: str = "warning"
    title: str = ""
    sentence: str = ""
    onset_step: int | None = None
    onset_epoch: float | None = None
    detected_step: int | None = None
    detected_epoch: float | None = None
    signals: tuple[dict[str, Any], ...] = ()


def alert_id(run_id: str, attempt: int, rule: str, episode: int) -> str:
    """The same episode has the same id however often it is judged."""
    return hashlib.sha256(f"{run_id}\0{attempt}\0{rule}\0{episode}".encode()).hexdigest()[:32]


def load_episode(c: Connection, run_id: str, attempt: int, rule: str) -> Episode:
    """The newest episode of a rule."""
    row = c.execute(
        select(Alert)
        .where(Alert.run_id == run_id, Alert.attempt == attempt, Alert.rule == rule)
        .order_by(Alert.episode.desc())
        .limit(1)
    ).first()
    return INACTIVE if row is None else _episode_of(c, row)


def _episode_of(c: Connection, row: Any) -> Episode:
    count = c.execute(
        select(func.count()).where(Transition.run_id == row.run_id, Transition.alert_id == row.id)
    ).scalar_one()
    return Episode(
        row.episode,
        row.state,
        row.began,
        row.updated,
        row.resolved,
        row.acknowledged,
        row.acknowledged_by,
        count,
    )


def changes_anything(c: Connection, run_id: str, finding: Finding, now: float) -> bool:
    """Whether a finding would move its alert."""
    episode = load_episode(c, run_id, finding.attempt, finding.rule)
    return bool(lifecycle.observe(episode, finding.observation, now)[1])


def apply_finding(c: Connection, run_id: str, finding: Finding, channels: Sequence[str], now: float) -> bool:
    """Move the alert of the finding's rule, and let the channels know; whether anything changed."""
    before = load_episode(c, run_id, finding.attempt, finding.rule)
    after, transitions = lifecycle.observe(before, finding.observation, now, finding.reason)
    if not transitions:
        return False
    key = alert_id(run_id, finding.attempt, finding.rule, after.number)
    _store(c, run_id, key, finding, after)
    for transition in transitions:
        _add_transition(c, run_id, key, transition)
        if transition.notifies:
            body = {
                "type": f"alert.{transition.state}",
                "time": transition.time,
                "alert": get_alert(c, run_id, key),
            }
            for channel in channels:
                event = hashlib.sha256(f"{key}\0{transition.number}\0{channel}".encode()).hexdigest()[:32]
                outbox.enqueue(
                    c, run_id=run_id, event=event, alert=key, channel=channel, body=plain_json(body), now=now
                )
    return True


def unresolved(c: Connection, run_id: str, before_attempt: int) -> list[tuple[str, int, int | None]]:
    """(rule, attempt, detected step) of the alerts of earlier attempts that have not ended."""
    rows = c.execute(
        select(Alert.rule, Alert.attempt, Alert.detected_step).where(
            Alert.run_id == run_id, Alert.attempt < before_attempt, Alert.state != "resolved"
        )
    )
    return [(row.rule, row.attempt, row.detected_step) for row in rows]


def acknowledge(db: Database, run_id: str, key: str, by: str, now: float) -> dict[str, Any]:
    """Note who has seen an alert; the first stays."""
    with db.write() as c:
        # Judging holds the run while it moves its alerts: the same lock in the same order.
        c.execute(select(Run.id).where(Run.id == run_id).with_for_update())
        row = c.execute(select(Alert).where(Alert.run_id == run_id, Alert.id == plain_text(key))).first()
        if row is None:
            raise Problem(404, "unknown-alert", f"Run {run_id!r} has no alert {plain_text(key)!r}.")
        after, transitions = lifecycle.acknowledge(_episode_of(c, row), plain_text(by), now)
        if transitions:
            c.execute(
                update(Alert)
                .where(Alert.run_id == run_id, Alert.id == row.id)
                .values(
                    acknowledged=after.acknowledged,
                    acknowledged_by=after.acknowledged_by,
                    updated=after.updated,
                )
            )
            for transition in transitions:
                _add_transition(c, run_id, row.id, transition)
            raise_version(c, run_id)
        return get_alert(c, run_id, row.id)


def raise_version(c: Connection, run_id: str) -> None:
    """Pages that show the run are stale now."""
    c.execute(update(Run).where(Run.id == run_id).values(version=Run.version + 1))


def _store(c: Connection, run_id: str, key: str, finding: Finding, episode: Episode) -> None:
    values: dict[str, Any] = {
        "state": episode.state,
        "began": episode.began,
        "updated": episode.updated,
        "resolved": episode.resolved,
        "acknowledged": episode.acknowledged,
        "acknowledged_by": episode.acknowledged_by,
    }
    if finding.observation in {"suspected", "confirmed"}:
        values |= {
            "severity": finding.severity,
            "title": plain_text(finding.title),
            "sentence": plain_text(finding.sentence),
            "onset_step": finding.onset_step,
            "onset_epoch": finding.onset_epoch,
            "detected_step": finding.detected_step,
            "detected_epoch": finding.detected_epoch,
            "signals": plain_json(finding.signals),
        }
    if episode.transitions > 1:
        c.execute(update(Alert).where(Alert.run_id == run_id, Alert.id == key).values(values))
        return
    identity = {
        "run_id": run_id,
        "id": key,
        "attempt": finding.attempt,
        "rule": finding.rule,
        "episode": episode.number,
    }
    c.execute(insert_into(c, Alert).values(identity | values))


def _add_transition(c: Connection, run_id: str, key: str, transition: lifecycle.Transition) -> None:
    c.execute(
        insert_into(c, Transition).values(
            run_id=run_id,
            alert_id=key,
            number=transition.number,
            time=transition.time,
            state=transition.state,
            reason=plain_text(transition.reason),
        )
    )
