"""Notifications that wait for a channel, written in the transaction that changed their alert."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, update

from monitor.store.database import Database, insert_into
from monitor.store.plain import LONG, plain_text
from monitor.store.schema import Outbox

#: How many are fetched at once.
PAGE = 100


class Waiting(NamedTuple):
    run_id: str
    id: str
    channel: str
    body: dict[str, Any]
    created: float
    tries: int


def enqueue(
    c: Connection, *, run_id: str, event: str, alert: str, channel: str, body: dict[str, Any], now: float
) -> None:
    """Let an event wait for a channel; the same event waits once."""
    row = {
        "run_id": run_id,
        "id": event,
        "alert_id": alert,
        "channel": channel,
        "body": body,
        "created": now,
        "next_try": now,
        "tries": 0,
        "outcome": None,
        "error": "",
    }
    c.execute(insert_into(c, Outbox).values(row).on_conflict_do_nothing())


def due(db: Database, now: float) -> list[Waiting]:
    """What is due, the oldest first."""
    with db.read() as c:
        rows = c.execute(
            select(Outbox.run_id, Outbox.id, Outbox.channel, Outbox.body, Outbox.created, Outbox.tries)
            .where(Outbox.outcome.is_(None), Outbox.next_try <= now)
            .order_by(Outbox.created, Outbox.id)
            .limit(PAGE)
        )
        return [Waiting(*row) for row in rows]


def next_due(db: Database) -> float | None:
    """When the next delivery falls due."""
    with db.read() as c:
        return c.execute(select(func.min(Outbox.next_try)).where(Outbox.outcome.is_(None))).scalar()


def settle(db: Database, waiting: Waiting, outcome: str, error: str = "") -> None:
    """It needs no further try."""
    with db.write() as c:
        c.execute(
            update(Outbox)
            .where(Outbox.run_id == waiting.run_id, Outbox.id == waiting.id)
            .values(outcome=outcome, error=plain_text(error, LONG), tries=Outbox.tries + 1)
        )


def postpone(db: Database, waiting: Waiting, error: str, until: float) -> None:
    """Try it again at ``until``, and whatever else waits for the channel not before it."""
    with db.write() as c:
        c.execute(
            update(Outbox)
            .where(Outbox.run_id == waiting.run_id, Outbox.id == waiting.id)
            .values(tries=Outbox.tries + 1, error=plain_text(error, LONG), next_try=until)
        )
        c.execute(
            update(Outbox)
            .where(Outbox.channel == waiting.channel, Outbox.outcome.is_(None), Outbox.next_try < until)
            .values(next_try=until)
        )
