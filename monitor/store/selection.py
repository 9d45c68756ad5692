"""Which series a question is about: by name, or by pattern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from monitor.errors import Problem
from monitor.protocol import DISTRIBUTION_FIELDS
from monitor.store.globs import matches
from monitor.store.schema import Series

WIDTHS = {"scalar": 1, "distribution": len(DISTRIBUTION_FIELDS)}
#: Names in a statement: databases limit its parameters.
AT_ONCE = 5000


_SERIES = select(Series.id, Series.name, Series.kind).where(Series.run_id == bindparam("run_id"))
_NAMED = _SERIES.where(Series.name.in_(bindparam("names", expanding=True)))


class Wanted(NamedTuple):
    id: int
    name: str
    kind: str

    @property
    def width(self) -> int:
        return WIDTHS[self.kind]


def find_series(
    c: Connection,
    run_id: str,
    names: Sequence[str],
    patterns: Sequence[str] = (),
    most: int | None = None,
) -> list[Wanted]:
    """The series with one of the names, or of a name like one of the patterns, in the order they began.

    ``most`` refuses more than that many.
    """
    unique = [name for name in dict.fromkeys(names) if "\0" not in name]
    found = {
        Wanted(*row)
        for at in range(0, len(unique), AT_ONCE)
        for row in c.execute(_NAMED, {"run_id": run_id, "names": unique[at : at + AT_ONCE]})
    }
    limit = None if most is None else most + 1
    for pattern in dict.fromkeys(patterns):
        if "\0" not in pattern:
            like = _SERIES.where(matches(c, Series.name, pattern)).order_by(Series.id).limit(limit)
            found |= {Wanted(*row) for row in c.execute(like, {"run_id": run_id})}
    if most is not None and len(found) > most:
        raise Problem(
            422,
            "too-many-series",
            f"More than {most} series match; ask for fewer at once, or export them.",
            field="match" if patterns else "name",
        )
    return sorted(found)
