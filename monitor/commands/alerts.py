"""``ganwatch alerts test``: whether a message reaches a channel, by the settings of the environment."""

from __future__ import annotations

import secrets

from monitor.alerts.channels.configured import channels_from, why_missing
from monitor.alerts.channels.event import DeliveryError, Event
from monitor.clock import wall_clock
from monitor.errors import Misuse
from monitor.settings import load_settings


def test(name: str) -> None:
    """Send a test message; :class:`Misuse` says why it did not arrive."""
    channels = channels_from(load_settings())
    if name not in channels:
        raise Misuse(why_missing(name))
    try:
        channels[name].deliver(Event(secrets.token_hex(16), {"type": "test", "time": wall_clock()}))
    except DeliveryError as error:
        raise Misuse(f"the channel {name} did not take the message: {error}") from None
