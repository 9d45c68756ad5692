"""Cursors for who watches: what of a run is new since it was last asked about.

Every batch of points has a number, the run's version when it was stored, and lies in the tail until it is
compacted. So what came after a cursor is what lies in the tail behind its version, as long as nothing behind
it was compacted, the run is still the same one, and the lineage shows the same attempts.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple, Self

from sqlalchemy import Connection, bindparam, select

from monitor.errors import Problem
from monitor.store.lineage import Segment
from monitor.store.plain import plain_text
from monitor.store.schema import Run

_MOMENT = select(Run.born, Run.version, Run.horizon).where(Run.id == bindparam("run_id"))


class Cursor(NamedTuple):
    """A moment of one run."""

    #: When the server first heard of the run: tells it from one of the same id that was deleted.
    born: float
    #: A checksum of the lineage.
    lineage: int
    version: int

    def __str__(self) -> str:
        return f"{self.born!r}~{self.lineage}~{self.version}"

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            born, lineage, version = plain_text(text).split("~")
            return cls(float(born), int(lineage), int(version))
        except ValueError:
            raise Problem(
                400, "bad-cursor", "The cursor is not one that was given out.", field="since"
            ) from None


class Moment(NamedTuple):
    """The run as it is now."""

    cursor: Cursor
    #: Every batch up to this version is compacted.
    horizon: int

    def batches_after(self, before: Cursor) -> int | None:
        """The version behind which all that is new lies in the tail; None where nobody can tell."""
        is_same = (before.born, before.lineage) == (self.cursor.born, self.cursor.lineage)
        is_known = self.horizon <= before.version <= self.cursor.version
        return before.version if is_same and is_known else None


def read_moment(c: Connection, run_id: str, segments: list[Segment]) -> Moment:
    row = c.execute(_MOMENT, {"run_id": run_id}).one()
    return Moment(Cursor(row.born, zlib.crc32(repr(segments).encode()), row.version), row.horizon)
