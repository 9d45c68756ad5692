"""``ganwatch alerts test``: whether a message reaches a channel, by the settings of the environment."""

from __future__ import annotations

import secrets

from monitor.alerts.channels.configured import channels_from
from monitor.alerts.channels.event import DeliveryError, Event
from monitor.clock import wall_clock
from monitor.errors import Misuse
from monitor.settings import load_settings


def test(name: str) -> None:
    """Send a test message; :class:`Misuse` says why it did not arrive."""
    channels = channels_from(load_settings())
    if name not in channels:
        known = ", ".join(channels) or "none"
        raise Misuse(f"no channel {name!r} is configured here; there is {known} (GANWATCH_WEBHOOK_URL, ...)")
    try:
        channels[name].deliver(Event(secrets.token_hex(16), {"type": "test", "time": wall_clock()}))
    except DeliveryError as error:
        raise Misuse(f"the {name} did not take the message: {error}") from None
