"""Delivers what waits in the outbox: at least once, each event under an id that never changes.

Nothing here runs inside a transaction or a request: a slow or dead receiver costs only this thread's time.
When one delivery fails, everything that waits for the same channel waits with it, so a thousand alerts are
not a thousand tries.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.alerts.channels import Channel, DeliveryError, Event
from monitor.store import outbox
from monitor.store.database import Database

FIRST_DELAY = 5.0
LONGEST_DELAY = 3600.0
#: After three days nobody wants to hear of it.
GIVE_UP_AFTER = 3 * 86400.0


def delay_after(tries: int) -> float:
    """Seconds to wait after the ``tries``-th failure: 5, 10, 20 ... at most an hour."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tries - 1, 32))


def deliver_due(db: Database, channels: Mapping[str, Channel], now: float) -> float | None:
    """Send what is due and book each outcome; the time of the next delivery, None where nothing waits."""
    failed: set[str] = set()
    for waiting in outbox.due(db, now):
        if waiting.channel in failed:
            continue
        channel = channels.get(waiting.channel)
        if channel is None:
            outbox.settle(db, waiting, "given up", "no such channel is configured any more")
            continue
        try:
            channel.deliver(Event(waiting.id, waiting.body))
        except DeliveryError as error:
            failed.add(waiting.channel)
            _postpone(db, waiting, str(error), now)
        else:
            outbox.settle(db, waiting, "delivered")
    return outbox.next_due(db)


def _postpone(db: Database, waiting: outbox.Waiting, error: str, now: float) -> None:
    if now - waiting.created > GIVE_UP_AFTER:
        outbox.settle(db, waiting, "given up", error)
    else:
        outbox.postpone(db, waiting, error, now + delay_after(waiting.tries + 1))
