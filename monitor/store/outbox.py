"""Notifications that wait for a channel, written in the transaction that changed their alert."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, or_, select, tuple_, update

from monitor.store.database import Database, insert_into
from monitor.store.plain import LONG, plain_text
from monitor.store.schema import Outbox

#: Nothing waits for longer than this between two tries, in seconds; what would was told to by a clock that
#: has been set back since, and is due.
LONGEST_WAIT = 3700.0
#: Seconds for which it can be seen what was told and what was given up: 30 days.
KEPT = 30 * 86400.0
#: Rows named in one statement.
_AT_ONCE = 500


class Waiting(NamedTuple):
    run_id: str
    id: str
    channel: str
    body: dict[str, Any]
    created: float
    tries: int
    #: What it is told together with.
    group: str | None


_COLUMNS = (
    Outbox.run_id,
    Outbox.id,
    Outbox.channel,
    Outbox.body,
    Outbox.created,
    Outbox.tries,
    Outbox.group_id,
)


def enqueue(
    c: Connection,
    *,
    run_id: str,
    event: str,
    alert: str,
    channel: str,
    body: dict[str, Any],
    time: float,
    now: float,
) -> None:
    """Let an event of some time wait for a channel; the same event waits once."""
    row = {
        "run_id": run_id,
        "id": event,
        "alert_id": alert,
        "channel": channel,
        "body": body,
        "created": time,
        "next_try": now,
        "tries": 0,
        "outcome": None,
        "error": "",
    }
    c.execute(insert_into(c, Outbox).values(row).on_conflict_do_nothing())


def due(db: Database, channel: str, now: float, limit: int) -> list[Waiting]:
    """What is due for a channel, the oldest first."""
    with db.read() as c:
        rows = c.execute(
            select(*_COLUMNS)
            .where(
                Outbox.channel == channel,
                Outbox.outcome.is_(None),
                or_(Outbox.next_try <= now, Outbox.next_try > now + LONGEST_WAIT),
            )
            .order_by(Outbox.created, Outbox.id)
            .limit(limit)
        )
        return [Waiting(*row) for row in rows]


def members(db: Database, channel: str, group: str) -> list[Waiting]:
    """What waits to be told as this group."""
    with db.read() as c:
        rows = c.execute(
            select(*_COLUMNS)
            .where(Outbox.channel == channel, Outbox.group_id == group, Outbox.outcome.is_(None))
            .order_by(Outbox.created, Outbox.id)
        )
        return [Waiting(*row) for row in rows]


def gather(db: Database, waiting: Sequence[Waiting], now: float) -> str:
    """Make a group of them, whose members stay the same at every try; its name tells when it was made."""
    named = hashlib.sha256("\0".join(one.id for one in waiting).encode()).hexdigest()
    group = f"{max(int(now), 0):015d}-{named[:16]}"
    with db.write() as c:
        for at in range(0, len(waiting), _AT_ONCE):
            c.execute(_of(waiting[at : at + _AT_ONCE]).values(group_id=group))
    return group


def last_gathered(db: Database, channel: str) -> float | None:
    """When the newest group of a channel was made."""
    with db.read() as c:
        newest = c.execute(select(func.max(Outbox.group_id)).where(Outbox.channel == channel)).scalar()
    return None if newest is None else float(newest.partition("-")[0])


def next_due(db: Database, channels: Collection[str]) -> float | None:
    """When the next delivery to one of the channels falls due."""
    with db.read() as c:
        waits = (Outbox.outcome.is_(None), Outbox.channel.in_(channels))
        return c.execute(select(func.min(Outbox.next_try)).where(*waits)).scalar()


def count_waiting(c: Connection) -> dict[str, tuple[int, str]]:
    """By channel: how much waits, and why the last try failed."""
    rows = c.execute(
        select(Outbox.channel, func.count(), func.max(Outbox.error))
        .where(Outbox.outcome.is_(None))
        .group_by(Outbox.channel)
    )
    return {channel: (count, error) for channel, count, error in rows}


def settle(db: Database, waiting: Sequence[Waiting], outcome: str, error: str = "") -> None:
    """They need no further try."""
    with db.write() as c:
        for at in range(0, len(waiting), _AT_ONCE):
            c.execute(
                _of(waiting[at : at + _AT_ONCE]).values(
                    outcome=outcome, error=plain_text(error, LONG), tries=Outbox.tries + 1
                )
            )


def postpone(db: Database, waiting: Sequence[Waiting], error: str, until: float) -> None:
    """Try them again at ``until``, and whatever else waits for the channel not before them."""
    with db.write() as c:
        for at in range(0, len(waiting), _AT_ONCE):
            some = waiting[at : at + _AT_ONCE]
            tried = {"tries": Outbox.tries + 1, "error": plain_text(error, LONG), "next_try": until}
            c.execute(_of(some).values(tried))
        _wait(c, waiting[0].channel, until)


def hold_back(db: Database, channel: str, until: float) -> None:
    """Nothing goes to the channel before then."""
    with db.write() as c:
        _wait(c, channel, until)


def give_up_others(db: Database, channels: Collection[str]) -> None:
    """What waits for a channel that is not one of these will never be told."""
    with db.write() as c:
        c.execute(
            update(Outbox)
            .where(Outbox.outcome.is_(None), Outbox.channel.not_in(channels))
            .values(outcome="given up", error="no such channel is configured any more")
        )


def drop_settled(db: Database, now: float) -> None:
    """Forget what was told, or given up, long ago."""
    with db.write() as c:
        c.execute(delete(Outbox).where(Outbox.outcome.is_not(None), Outbox.next_try < now - KEPT))


def _of(waiting: Sequence[Waiting]) -> Any:
    return update(Outbox).where(
        tuple_(Outbox.run_id, Outbox.id).in_([(one.run_id, one.id) for one in waiting])
    )


def _wait(c: Connection, channel: str, until: float) -> None:
    c.execute(
        update(Outbox)
        .where(Outbox.channel == channel, Outbox.outcome.is_(None), Outbox.next_try < until)
        .values(next_try=until)
    )
