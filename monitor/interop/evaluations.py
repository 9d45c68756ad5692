"""Where a log evaluates, and what its series are to the detector, by their names."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.detection.records import SINCE_THE_MARK
from monitor.detection.roles import role_of
from monitor.interop.records import Scalars

#: What makes a step an evaluation.
EVALUATED = frozenset({"Q", "D"})


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
        new = [name for name in names if name not in self._roles]
        beside = [*self._roles, *new]
        found = {name: role_of(name, beside) for name in new}
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
