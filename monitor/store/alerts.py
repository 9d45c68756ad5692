"""Alerts: one row an episode, its transitions, and what has to be said about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from monitor.alerts import lifecycle
from monitor.alerts.lifecycle import INACTIVE, Episode, Observation
from monitor.store import outbox
from monitor.store.alert_documents import get_alert
from monitor.store.database import insert_into
from monitor.store.plain import plain_json, plain_text
from monitor.store.schema import Alert, Run, Transition

#: Of two transitions at the same time, people are told the later one later.
MOMENT = 1e-6

# Asked whenever a run is judged. Made once: making a statement takes longer than running it.
_NEWEST = (
    select(Alert)
    .where(
        Alert.run_id == bindparam("run_id"),
        Alert.attempt == bindparam("attempt"),
        Alert.rule == bindparam("rule"),
    )
    .order_by(Alert.episode.desc())
    .limit(1)
)


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
    row = c.execute(_NEWEST, {"run_id": run_id, "attempt": attempt, "rule": rule}).first()
    return INACTIVE if row is None else episode_of(c, row)


def episode_of(c: Connection, row: Any) -> Episode:
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
        row.snoozed_until,
        row.snoozed_by or "",
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
    note(c, run_id, key, transitions, channels=channels, now=now)
    return True


def note(
    c: Connection,
    run_id: str,
    key: str,
    transitions: Sequence[lifecycle.Transition],
    *,
    channels: Sequence[str],
    now: float,
) -> None:
    """Keep an alert's transitions, and let the channels tell of those that people are to hear of."""
    for transition in transitions:
        _add_transition(c, run_id, key, transition)
        if not transition.notifies:
            continue
        c.execute(
            update(Alert).where(Alert.run_id == run_id, Alert.id == key).values(notified=transition.time)
        )
        body = {
            "type": f"alert.{transition.state}",
            "time": transition.time,
            "alert": get_alert(c, run_id, key),
        }
        for channel in channels:
            event = hashlib.sha256(f"{key}\0{transition.number}\0{channel}".encode()).hexdigest()[:32]
            outbox.enqueue(
                c,
                run_id=run_id,
                event=event,
                alert=key,
                channel=channel,
                body=plain_json(body),
                time=transition.time + transition.number * MOMENT,
                now=now,
            )


def raise_version(c: Connection, run_id: str) -> None:
    """Pages that show the run are stale now."""
    c.execute(update(Run).where(Run.id == run_id).values(version=Run.version + 1))


def columns_of(episode: Episode) -> dict[str, Any]:
    """What an alert's row says of its episode."""
    return {
        "state": episode.state,
        "began": episode.began,
        "updated": episode.updated,
        "resolved": episode.resolved,
        "acknowledged": episode.acknowledged,
        "acknowledged_by": episode.acknowledged_by,
        "snoozed_until": episode.snoozed_until,
        "snoozed_by": episode.snoozed_by or None,
    }


def _store(c: Connection, run_id: str, key: str, finding: Finding, episode: Episode) -> None:
    values = columns_of(episode)
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
