"""What people say about alerts: that they have seen one, or want to hear no more of it for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from monitor.alerts import lifecycle
from monitor.alerts.lifecycle import Episode, Transition
from monitor.errors import Problem
from monitor.store.alert_documents import get_alert
from monitor.store.alerts import columns_of, episode_of, note, raise_version
from monitor.store.database import Database
from monitor.store.plain import plain_text
from monitor.store.schema import Alert, Run

#: The longest snooze, in seconds: what nobody wants to hear of for longer is a rule to be changed.
LONGEST_SNOOZE = 30 * 86400.0
#: Alerts woken in one look.
AT_ONCE = 1000

Change = Callable[[Episode], tuple[Episode, list[Transition]]]


def acknowledge(db: Database, run_id: str, key: str, by: str, now: float) -> dict[str, Any]:
    """Note who has seen an alert; the first stays."""
    return _change(db, run_id, key, now, lambda episode: lifecycle.acknowledge(episode, plain_text(by), now))


def snooze(db: Database, run_id: str, key: str, *, until: float, by: str, now: float) -> dict[str, Any]:
    """Tell nobody of an alert until then."""
    if not now < until <= now + LONGEST_SNOOZE:
        raise Problem(
            422,
            "bad-snooze",
            f"A snooze ends later than now, and within {LONGEST_SNOOZE / 86400:g} days; "
            f"this one would end {until - now:.6g} seconds from now.",
            field="until",
        )

    def change(episode: Episode) -> tuple[Episode, list[Transition]]:
        if episode.state == "resolved":
            raise Problem(409, "resolved", "The alert has ended: there is nothing to be told of it.")
        return lifecycle.snooze(episode, until, plain_text(by), now)

    return _change(db, run_id, key, now, change)


def unsnooze(db: Database, run_id: str, key: str, by: str, now: float) -> dict[str, Any]:
    """Tell of the alert again."""
    return _change(db, run_id, key, now, lambda episode: lifecycle.unsnooze(episode, plain_text(by), now))


def wake_due(db: Database, channels: Sequence[str], now: float) -> list[str]:
    """End the snoozes that are over; the runs whose alerts woke."""
    due = select(Alert.run_id, Alert.id).where(Alert.snoozed_until <= now).limit(AT_ONCE)
    with db.read() as c:
        found = [(row.run_id, row.id) for row in c.execute(due)]
    for run_id, key in found:
        with db.write() as c:
            _lock(c, run_id)
            row = _find(c, run_id, key)
            if row is not None:
                _store(c, run_id, key, lifecycle.wake(episode_of(c, row), now), channels=channels, now=now)
    return list(dict.fromkeys(run_id for run_id, _ in found))


def _change(db: Database, run_id: str, key: str, now: float, change: Change) -> dict[str, Any]:
    with db.write() as c:
        _lock(c, run_id)
        row = _find(c, run_id, plain_text(key))
        if row is None:
            raise Problem(404, "unknown-alert", f"Run {run_id!r} has no alert {plain_text(key)!r}.")
        _store(c, run_id, row.id, change(episode_of(c, row)), channels=(), now=now)
        return get_alert(c, run_id, row.id)


def _lock(c: Connection, run_id: str) -> None:
    """Judging holds the run while it moves its alerts: the same lock in the same order."""
    c.execute(select(Run.id).where(Run.id == run_id).with_for_update())


def _find(c: Connection, run_id: str, key: str) -> Any:
    return c.execute(select(Alert).where(Alert.run_id == run_id, Alert.id == key)).first()


def _store(
    c: Connection,
    run_id: str,
    key: str,
    moved: tuple[Episode, list[Transition]],
    *,
    channels: Sequence[str],
    now: float,
) -> None:
    episode, transitions = moved
    if not transitions:
        return
    values = columns_of(episode)
    c.execute(update(Alert).where(Alert.run_id == run_id, Alert.id == key).values(values))
    note(c, run_id, key, transitions, channels=channels, now=now)
    raise_version(c, run_id)
