"""What a turning point is called in a plain sentence: which signals moved, from what to what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMES = {
    "Q": "quality",
    "D": "diversity",
    "S_G": "the generator's weight angle of one iteration",
    "S_D": "the discriminator's weight angle of one iteration",
    "S_G_ep": "the generator's weight angle of one epoch",
    "S_D_ep": "the discriminator's weight angle of one epoch",
}


def quantity(value: float, unit: str) -> str:
    """Three significant digits and the unit: ``2.24 nats``, ``48.1°``."""
    digits = f"{value:#.3g}".rstrip(".") if abs(value) >= 0.01 else f"{value:.3f}"
    return f"{digits}{unit}" if unit == "°" else f"{digits} {unit}".rstrip()


def clause(detail: dict[str, Any]) -> str:
    """One signal: ``diversity fell from 2.24 nats to 0.450 nats``."""
    name, before, after, unit = NAMES[detail["role"]], detail["before"], detail["after"], detail["unit"]
    if after is None:
        return f"{name} was last near {quantity(before, unit)}"
    verb = "rose" if detail["direction"] == "up" else "fell"
    return f"{name} {verb} from {quantity(before, unit)} to {quantity(after, unit)}"


def sentence(details: Sequence[dict[str, Any]]) -> str:
    """All signals that moved, in one sentence."""
    clauses = [clause(detail) for detail in details]
    if all(detail["after"] is None for detail in details):
        return f"Every signal fell silent: {'; '.join(clauses)}."
    text = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return f"{text[0].upper()}{text[1:]}."
