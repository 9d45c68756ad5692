"""What a turning point is called: the signals that moved, from what to what, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, isfinite, sinh
from typing import Any

from monitor.detection.channel import Channel
from monitor.detection.signals import ANGLES, GRADIENTS, LOSSES

#: The roles that speak for a signal; ``loss`` and ``gradient`` are told of and are no signals.
ROLES = {"Q": ("Q",), "D": ("D",), "S": ANGLES, "loss": LOSSES, "gradient": GRADIENTS}
UNITS = {"Q": "", "D": "nats", "S": "°", "loss": "", "gradient": ""}
NAMES = {
    "Q": "quality",
    "D": "diversity",
    "S_G": "the generator's weight angle of one iteration",
    "S_D": "the discriminator's weight angle of one iteration",
    "S_G_ep": "the generator's weight angle of one epoch",
    "S_D_ep": "the discriminator's weight angle of one epoch",
    "loss_G": "the generator's loss",
    "loss_D": "the discriminator's loss",
    "gn_real": "the critic's gradient norm",
}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Channels = Mapping[str, Channel]


def describe(signals: Sequence[str], pace: str, channels: Channels, ln_m: float) -> dict[str, Any]:
    """``signals`` (of Q, D and S), ``details`` (of these, and of losses and gradients) and ``sentence``."""
    told = [*signals, *(name for name in ("loss", "gradient") if _has_spoken(name, channels))]
    is_gone = pace == "silent"
    given = (_account(name, channels, ln_m, is_gone=is_gone) for name in told)
    details = [detail for detail in given if detail is not None]
    sentence = _sentence(details) if details else ""
    if pace == "diverged":
        sentence = f"Losses or gradients are no finite numbers any more. {sentence}".rstrip()
    return {
        "signals": [detail["signal"] for detail in details if detail["signal"] in {"Q", "D", "S"}],
        "details": details,
        "sentence": sentence,
    }


def spokesman(signal: str, channels: Channels) -> str | None:
    """The role that speaks for a signal: rather one that leapt than one that died down, then the farthest."""
    ready = [name for name in ROLES[signal] if channels[name].is_ready]
    return max(ready, key=lambda name: (_has_risen(channels[name]), channels[name].worst), default=None)


def quantity(value: float, unit: str) -> str:
    """Three significant digits and the unit: ``2.24 nats``, ``48.1°``, ``3.67·10⁷``."""
    digits = _number(value)
    return f"{digits}{unit}" if unit == "°" else f"{digits} {unit}".rstrip()


def _number(value: float) -> str:
    size = abs(value)
    if size < 0.01:
        return f"{value:.3f}"
    if not isfinite(value):
        return str(value)
    if size < 999.5:
        return f"{value:#.3g}".rstrip(".")
    if size < 999_999.5:
        return f"{value:,.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}·10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def _has_spoken(signal: str, channels: Channels) -> bool:
    role = spokesman(signal, channels)
    return role is not None and channels[role].sum >= 1


def _account(signal: str, channels: Channels, ln_m: float, *, is_gone: bool) -> dict[str, Any] | None:
    """A signal before and after, in its own unit; None where it was never seen."""
    role = spokesman(signal, channels)
    if role is None:
        return None
    channel = channels[role]
    # What a network does is shown at its worst: after a leap it may die down again within a record.
    is_value = signal in {"Q", "D"}
    seen = (channel.value, channel.peak) if is_value else (channel.peak, channel.value)
    after = None if is_gone else next((value for value in seen if value is not None), None)
    before = channel.level
    rises = not is_value and after is not None and before is not None and after > before
    return {
        "signal": signal,
        "role": role,
        "before": _unscaled(signal, before, ln_m),
        "after": _unscaled(signal, after, ln_m),
        "direction": "up" if rises else "down",
        "unit": UNITS[signal],
    }


def _sentence(details: Sequence[Mapping[str, Any]]) -> str:
    """All signals that moved, in one sentence."""
    clauses = [_clause(detail) for detail in details]
    if all(detail["after"] is None for detail in details):
        return f"Every signal fell silent: {'; '.join(clauses)}."
    text = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return f"{text[0].upper()}{text[1:]}."


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
    if signal == "D":
        return value * ln_m
    # Beyond this, exp and sinh would overflow a double.
    value = min(max(value, -700.0), 700.0)
    return sinh(value) if signal == "loss" else exp(value)
