"""Events in words, for channels that are read by people."""

from __future__ import annotations

import re
from typing import Any

from monitor.alerts.channels.event import Event

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: A title is a line.
LONGEST_TITLE = 200
_TYPES = {"alert.firing": "firing", "alert.resolved": "resolved"}


def title_of(event: Event) -> str:
    """One line, whatever names came from outside."""
    body = event.body
    match body["type"]:
        case "test":
            text = "A test of ganwatch"
        case "alerts":
            runs = body["runs"]
            text = f"{body['count']} alerts of {runs} {'run' if runs == 1 else 'runs'}"
        case _:
            alert = body["alert"]
            over = "Resolved: " if body["type"] == "alert.resolved" else ""
            text = f"{over}{alert['title']} ({alert['run_name'] or alert['run']})"
    return one_line(text, LONGEST_TITLE)


def lines_of(event: Event) -> list[str]:
    """What there is to say, line by line."""
    body = event.body
    match body["type"]:
        case "test":
            return ["Alerts will reach you here."]
        case "alerts":
            counted = [
                f"{kind['count']} {_TYPES[kind['type']]}: {kind['rule']} ({kind['severity']})"
                for kind in body["counts"]
            ]
            named = [f"{alert['run_name'] or alert['run']}: {alert['title']}" for alert in body["alerts"]]
            more = body["count"] - len(named)
            lines = [*counted, "", *named, *([f"and {more} more"] if more > 0 else [])]
        case _:
            lines = _about(body)
    return [one_line(line, 1000) for line in lines]


def one_line(text: str, most: int) -> str:
    """Without what would begin another line, or a header."""
    text = _CONTROL.sub(" ", text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _about(body: dict[str, Any]) -> list[str]:
    alert = body["alert"]
    if body["type"] == "alert.resolved":
        reason = alert["transitions"][-1]["reason"] if alert["transitions"] else ""
        return [f"It is over: {reason}." if reason else "It is over.", f"It was: {alert['sentence']}"]
    moved = [_signal(signal) for signal in alert["signals"]]
    return [alert["sentence"], f"Severity: {alert['severity']}. Run {alert['run']}.", *filter(None, moved)]


def _signal(signal: dict[str, Any]) -> str:
    before, after = signal.get("before"), signal.get("after")
    if before is None or after is None:
        return ""
    unit = f" {signal['unit']}" if signal.get("unit") else ""
    return f"{signal['series']}: {_number(before)} → {_number(after)}{unit}"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
