"""The series of a run by name: found, declared, or made as they turn up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update

from monitor import protocol
from monitor.detection.roles import role_of
from monitor.store.database import insert_into
from monitor.store.plain import LONG, fits_int64, plain_text
from monitor.store.schema import Series, Total

#: More are picked out of all the names of the run: PostgreSQL may compare every row with each of a list.
_FEW = 200


class Known(NamedTuple):
    id: int
    kind: str


class Registry:
    """The series that a batch names. Used under the lock of the run."""

    def __init__(self, c: Connection, run_id: str, names: Iterable[str]) -> None:
        self._c = c
        self._run_id = run_id
        self._known: dict[str, Known] = {}
        # What a D is depends on whether there is a Q.
        wanted = {*names, "Q", "q"}
        query = select(Series.name, Series.id, Series.kind).where(Series.run_id == run_id)
        if len(wanted) <= _FEW:
            query = query.where(Series.name.in_(wanted))
        for name, series_id, kind in c.execute(query):
            if name in wanted:
                self._known[name] = Known(series_id, kind)

    def declare(self, name: str, declared: protocol.Declare, role: str | None) -> str | None:
        """Make the series what it says it is, with the role that its name tells where it says none.

        Returns the reason where it cannot be.
        """
        known = self._known.get(name)
        values = {
            "kind": declared.kind,
            "unit": plain_text(declared.unit),
            "direction": declared.direction,
            "lower": _bound(declared.lower),
            "upper": _bound(declared.upper),
            "help": plain_text(declared.help, LONG),
            "role": self._role_by_name(name, declared.kind) if role is None else plain_text(role, 64),
            "judge": None if declared.judge is None else plain_text(declared.judge),
            "m": declared.m if fits_int64(declared.m) else None,
            "n": declared.n if fits_int64(declared.n) else None,
        }
        if known is None:
            series_id = self._next_id()
            self._c.execute(
                insert_into(self._c, Series).values(run_id=self._run_id, id=series_id, name=name, **values)
            )
        else:
            series_id = known.id
            if known.kind != declared.kind and self._has_points(series_id):
                return f"it already holds values of a {known.kind}"
            self._c.execute(
                update(Series).where(Series.run_id == self._run_id, Series.id == series_id).values(**values)
            )
        self._known[name] = Known(series_id, declared.kind)
        return None

    def resolve(self, kinds: dict[str, str]) -> dict[str, Known]:
        """The series of these names, made as plain ones of the kind given where nobody declared them.

        Who has no role is given the one that its name tells.
        """
        missing = [name for name in kinds if name not in self._known]
        if missing:
            first = self._next_id()
            made = {name: Known(first + i, kinds[name]) for i, name in enumerate(missing)}
            self._known |= made
            self._c.execute(
                insert_into(self._c, Series),
                [
                    {
                        "run_id": self._run_id,
                        "id": known.id,
                        "name": name,
                        "kind": known.kind,
                        "unit": "",
                        "direction": "none",
                        "help": "",
                        "role": self._role_by_name(name, known.kind),
                    }
                    for name, known in made.items()
                ],
            )
        return {name: self._known[name] for name in kinds}

    def _role_by_name(self, name: str, kind: str) -> str | None:
        return role_of(name, self._known) if kind == "scalar" else None

    def _next_id(self) -> int:
        newest = self._c.execute(select(func.max(Series.id)).where(Series.run_id == self._run_id)).scalar()
        return 0 if newest is None else newest + 1

    def _has_points(self, series_id: int) -> bool:
        points = select(Total.count).where(Total.run_id == self._run_id, Total.series_id == series_id)
        return self._c.execute(points.limit(1)).first() is not None


def _bound(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
