"""Delivers what waits in the outbox: at least once, each message under an id that never changes.

Nothing here runs inside a transaction or a request, and each channel has a thread of its own: a slow or dead
receiver costs only that thread's time. When a delivery fails, everything that waits for the same channel
waits with it, so a thousand alerts are not a thousand tries.

Many at once are told as one: where more than ``MOST_SINGLE`` events wait for a channel, one message counts
them, and names the worst. For the ``WINDOW`` seconds after it what comes for that channel is gathered, too.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.alerts.channels.event import Channel, DeliveryError, Event
from monitor.store import outbox
from monitor.store.database import Database
from monitor.store.outbox import Waiting

log = logging.getLogger("ganwatch")

FIRST_DELAY = 5.0
LONGEST_DELAY = 3600.0
#: After three days nobody wants to hear of it.
GIVE_UP_AFTER = 3 * 86400.0
#: Events that are told one by one; seconds of gathering behind a message that counted more; how many of those
#: it counts at most, and how many it names.
MOST_SINGLE = 10
WINDOW = 60.0
MOST_GATHERED = 5000
MOST_NAMED = 10
_SEVERITIES = ("critical", "warning", "info")


def delay_after(tries: int) -> float:
    """Seconds to wait after the ``tries``-th failure: 5, 10, 20 ... at most an hour."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tries - 1, 32))


def deliver_due(db: Database, channels: Mapping[str, Channel], now: float) -> float | None:
    """Send what is due and book each outcome; the time of the next delivery, None where nothing waits."""
    for name, channel in channels.items():
        while message := _next_message(db, name, now):
            waiting, event = message
            try:
                channel.deliver(event)
            except DeliveryError as error:
                _postpone(db, waiting, str(error), now)
                break
            except Exception as error:
                # Or one message that its channel cannot make would be tried without a pause, and for ever.
                log.exception("a message to the %s could not be made", name)
                _postpone(db, waiting, f"the message could not be made: {type(error).__name__}", now)
                break
            outbox.settle(db, waiting, "delivered")
    return outbox.next_due(db, list(channels))


def _next_message(db: Database, channel: str, now: float) -> tuple[list[Waiting], Event] | None:
    """What is told next, and how."""
    due = outbox.due(db, channel, now, MOST_SINGLE + 1)
    if not due:
        return None
    if due[0].group is not None:
        return _together(db, channel, due[0].group)
    gathered = outbox.last_gathered(db, channel)
    # A clock that was set back does not make anybody wait for longer.
    if gathered is not None and 0 <= now - gathered < WINDOW:
        outbox.hold_back(db, channel, gathered + WINDOW)
        return None
    if len(due) <= MOST_SINGLE:
        return [due[0]], Event(due[0].id, due[0].body)
    loose = [one for one in outbox.due(db, channel, now, MOST_GATHERED) if one.group is None]
    return _together(db, channel, outbox.gather(db, loose, now))


def _together(db: Database, channel: str, group: str) -> tuple[list[Waiting], Event]:
    waiting = outbox.members(db, channel, group)
    name = hashlib.sha256(f"{channel}\0{group}".encode()).hexdigest()[:32]
    return waiting, Event(name, count_together([one.body for one in waiting]))


def count_together(bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One message about many events: how many of which kind, and the worst of them."""
    alerts = [{**body["alert"], "event": body["type"]} for body in bodies]
    kinds = Counter((alert["event"], alert["severity"], alert["rule"]) for alert in alerts)
    counts = [
        {"type": event, "severity": severity, "rule": rule, "count": count}
        for (event, severity, rule), count in kinds.most_common()
    ]
    shown = ("event", "id", "run", "run_name", "rule", "severity", "state", "title")
    worst = sorted(alerts, key=lambda alert: (alert["event"] != "alert.firing", _rank(alert["severity"])))
    return {
        "type": "alerts",
        "time": max(body["time"] for body in bodies),
        "count": len(alerts),
        "runs": len({alert["run"] for alert in alerts}),
        "counts": counts,
        "alerts": [{key: alert[key] for key in shown} for alert in worst[:MOST_NAMED]],
    }


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _postpone(db: Database, waiting: list[Waiting], error: str, now: float) -> None:
    if now - min(one.created for one in waiting) > GIVE_UP_AFTER:
        outbox.settle(db, waiting, "given up", error)
    else:
        outbox.postpone(db, waiting, error, now + delay_after(waiting[0].tries + 1))
