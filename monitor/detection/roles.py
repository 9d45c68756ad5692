"""Which role a series plays by its name, where nobody said it."""

from __future__ import annotations

import re
from collections.abc import Collection

_G, _D = r"(g|gen|generator)", r"(d|disc|discriminator|critic)"
#: What a series must be called, whole and in any case, to play a role: the first that fits.
NAMES = {
    "Q": r"q|quality(/[^/@]+)?",
    "D": r"diversity(/[^/@]+)?",
    "S_G": r"s_g|angle/iter/g",
    "S_D": r"s_d|angle/iter/d",
    "S_G_ep": r"s_g_ep|angle/epoch/g",
    "S_D_ep": r"s_d_ep|angle/epoch/d",
    "loss_G": rf"{_G}[_/]?loss|loss[_/]{_G}",
    "loss_D": rf"{_D}[_/]?loss|loss[_/]{_D}",
    "gn_real": r"gn_real|gradient_norm/real",
    "lr_G": rf"(lr|learning_rate)[_/]{_G}",
    "lr_D": rf"(lr|learning_rate)[_/]{_D}",
}


def role_of(name: str, beside: Collection[str]) -> str | None:
    """The role of a series by its name, and those of the series ``beside`` it.

    ``D`` is the diversity where there is a ``Q``; elsewhere it is as likely the loss of D.
    """
    if name == "D":
        return "D" if {"Q", "q"} & set(beside) else None
    return next((role for role, pattern in NAMES.items() if re.fullmatch(pattern, name, re.IGNORECASE)), None)
