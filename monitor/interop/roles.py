"""What the series of another tracker are to the detector, by their names, and where a log evaluates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from monitor.detection.records import SINCE_THE_MARK
from monitor.interop.records import Scalars

_G, _D = r"(g|gen|generator)", r"(d|disc|discriminator|critic)"
#: What a series must be called, whole and in any case, to play a role: the first that fits.
NAMES = {
    "Q": r"q|quality(/[^/]+)?",
    "D": r"diversity(/[^/]+)?",
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
#: What makes a step an evaluation.
EVALUATED = frozenset({"Q", "D"})


def role_of(name: str, told: Mapping[str, str]) -> str | None:
    """The role of a series; ``told``: names of series by role, which go first."""
    for role, given in told.items():
        if given == name:
            return role
    fits = (role for role, pattern in NAMES.items() if re.fullmatch(pattern, name, re.IGNORECASE))
    return next((role for role in fits if role not in told), "D" if name == "D" and "D" not in told else None)


class Evaluations:
    """Finds the steps of a log that have Q or D, as it is read: each is an evaluation mark, numbered by it.

    A log may name the series of a step together or one by one. Where its steps go back, what was marked
    already is not marked again.
    """

    def __init__(self) -> None:
        self._roles: dict[str, str | None] = {}
        self._newest = -1

    def new_roles(self, names: Iterable[str]) -> dict[str, str]:
        """Of those that were not seen before."""
        found = {name: role_of(name, {}) for name in names if name not in self._roles}
        self._roles |= found
        return {name: role for name, role in found.items() if role is not None}

    def begins_with(self, record: Scalars) -> bool:
        """Whether a mark stands at its step that did not before."""
        has_more = any(self._roles[name] in EVALUATED for name in record.values)
        if not has_more or record.step <= self._newest:
            return False
        self._newest = record.step
        return True

    def named_by(self, record: Scalars) -> frozenset[str]:
        """The series of a record that were measured at the mark of its step."""
        if record.step != self._newest:
            return frozenset()
        roles = {name: self._roles[name] for name in record.values}
        return frozenset(name for name, role in roles.items() if role and role not in SINCE_THE_MARK)
