"""A webhook: JSON, signed with HMAC-SHA256 over the body, so that the receiver knows who sent it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

import msgspec

from monitor.alerts.channels.event import Event, link_of
from monitor.alerts.channels.post import post


@dataclass(frozen=True)
class Webhook:
    """``POST url`` with ``Ganwatch-Event-Id`` and, given a secret, ``Ganwatch-Signature: sha256=<hex>``."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    allow_private: bool = False
    timeout: float = 5.0
    public_url: str = ""

    def deliver(self, event: Event) -> None:
        link = link_of(event, self.public_url)
        body = msgspec.json.encode({"id": event.id, **event.body, "link": link})
        headers = {"Ganwatch-Event-Id": event.id}
        if self.secret:
            headers["Ganwatch-Signature"] = f"sha256={sign(self.secret, body)}"
        post(self.url, body, headers, allow_private=self.allow_private, timeout=self.timeout)


def sign(secret: str, body: bytes) -> str:
    """What a receiver compares with the header, in constant time."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
