"""Slack's incoming webhooks, and what takes the same: Mattermost, Rocket.Chat, Discord (``/slack``)."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from monitor.alerts.channels.event import Event, link_of
from monitor.alerts.channels.post import post
from monitor.alerts.channels.texts import lines_of, title_of


@dataclass(frozen=True)
class Slack:
    """``POST url`` with ``{"text": ...}`` in Slack's markup; the address is the credential."""

    url: str = field(repr=False)
    allow_private: bool = False
    timeout: float = 5.0
    public_url: str = ""

    def deliver(self, event: Event) -> None:
        lines = [f"*{_escape(title_of(event))}*", *map(_escape, lines_of(event))]
        if link := link_of(event, self.public_url):
            lines.append(f"<{link}|Look at it>")
        body = msgspec.json.encode({"text": "\n".join(lines)})
        headers = {"Ganwatch-Event-Id": event.id}
        post(self.url, body, headers, allow_private=self.allow_private, timeout=self.timeout)


def _escape(text: str) -> str:
    """So that a run's name mentions nobody and links nowhere."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
