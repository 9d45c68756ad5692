"""What a turning point is called: the signals that moved, from what to what, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from monitor.detection.channel import Channel

GENERATOR, DISCRIMINATOR = ("S_G", "S_G_ep"), ("S_D", "S_D_ep")
ANGLES = GENERATOR + DISCRIMINATOR
ROLES = {"Q": ("Q",), "D": ("D",), "S": ANGLES}
UNITS = {"Q": "", "D": "nats", "S": "°"}
NAMES = {
    "Q": "quality",
    "D": "diversity",
    "S_G": "the generator's weight angle of one iteration",
    "S_D": "the discriminator's weight angle of one iteration",
    "S_G_ep": "the generator's weight angle of one epoch",
    "S_D_ep": "the discriminator's weight angle of one epoch",
}


def spokesman(signal: str, channels: Mapping[str, Channel]) -> str | None:
    """The role that speaks for a signal: rather one that leapt than one that died down, then the farthest."""
    ready = [name for name in ROLES[signal] if channels[name].is_ready]
    return max(ready, key=lambda name: (_has_risen(channels[name]), channels[name].worst), default=None)


def account(
    signal: str, channels: Mapping[str, Channel], ln_m: float, *, is_gone: bool
) -> dict[str, Any] | None:
    """A signal before and after, in its own unit; None where it was never seen."""
    role = spokesman(signal, channels)
    if role is None:
        return None
    channel = channels[role]
    # Angles are shown at their worst: after a leap they may die down again within a record.
    seen = (channel.peak, channel.value) if signal == "S" else (channel.value, channel.peak)
    after = None if is_gone else next((value for value in seen if value is not None), None)
    before = channel.level
    rises = signal == "S" and after is not None and before is not None and after > before
    return {
        "signal": signal,
        "role": role,
        "before": _unscaled(signal, before, ln_m),
        "after": _unscaled(signal, after, ln_m),
        "direction": "up" if rises else "down",
        "unit": UNITS[signal],
    }


def sentence(details: Sequence[Mapping[str, Any]]) -> str:
    """All signals that moved, in one sentence."""
    clauses = [_clause(detail) for detail in details]
    if all(detail["after"] is None for detail in details):
        return f"Every signal fell silent: {'; '.join(clauses)}."
    text = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return f"{text[0].upper()}{text[1:]}."


def quantity(value: float, unit: str) -> str:
    """Three significant digits and the unit: ``2.24 nats``, ``48.1°``."""
    digits = f"{value:#.3g}".rstrip(".") if abs(value) >= 0.01 else f"{value:.3f}"
    return f"{digits}{unit}" if unit == "°" else f"{digits} {unit}".rstrip()


def _clause(detail: Mapping[str, Any]) -> str:
    name, before, after, unit = NAMES[detail["role"]], detail["before"], detail["after"], detail["unit"]
    if after is None:
        return f"{name} was last near {quantity(before, unit)}"
    verb = "rose" if detail["direction"] == "up" else "fell"
    return f"{name} {verb} from {quantity(before, unit)} to {quantity(after, unit)}"


def _has_risen(channel: Channel) -> bool:
    return channel.peak is not None and channel.level is not None and channel.peak > channel.level


def _unscaled(signal: str, value: float | None, ln_m: float) -> float | None:
    if value is None or signal == "Q":
        return value
    return value * ln_m if signal == "D" else exp(value)
