"""What is told, and what can tell it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Protocol


class DeliveryError(Exception):
    """Why an event was not delivered, fit to be stored and shown: it holds no address and no secret."""

    @classmethod
    def of_connection(cls, error: OSError, timeout: float) -> DeliveryError:
        """What became of a connection that may take so many seconds."""
        if isinstance(error, TimeoutError):
            return cls(f"no answer within {timeout:g} s")
        if isinstance(error, ssl.SSLError):
            return cls(f"TLS failed: {error.reason or type(error).__name__}")
        return cls(f"the connection failed: {error.strerror or type(error).__name__}")


@dataclass(frozen=True)
class Event:
    """Something to tell. ``id`` is the same at every try, so that a receiver knows what it already has.

    The body's ``type`` is ``alert.firing`` or ``alert.resolved`` with the ``alert``, ``alerts`` for many at
    once, or ``test``.
    """

    id: str
    body: dict[str, Any]


class Channel(Protocol):
    """Delivers events; raises :class:`DeliveryError`."""

    def deliver(self, event: Event) -> None: ...


def link_of(event: Event, public_url: str) -> str | None:
    """The page about it, where the service knows its own address."""
    if not public_url or event.body["type"] == "test":
        return None
    alert = event.body.get("alert")
    page = f"runs/{alert['run']}/alerts/{alert['id']}" if alert else "alerts"
    return f"{public_url.rstrip('/')}/{page}"
