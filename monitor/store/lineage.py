"""What is shown of a run: the parent attempt up to where it was left, then the attempt's own part."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from monitor.errors import Problem
from monitor.store.schema import Attempt, Run

#: Every question about points asks these. Made once: making a statement takes longer than running it.
_NEWEST = select(Run.attempt).where(Run.id == bindparam("run_id"))
_ORIGINS = select(Attempt.number, Attempt.parent, Attempt.from_step).where(
    Attempt.run_id == bindparam("run_id")
)


class Segment(NamedTuple):
    """What belongs to ``attempt`` up to and including step ``upto`` (None: all of it)."""

    attempt: int
    upto: int | None


def find_lineage(c: Connection, run_id: str, attempt: int | None = None) -> list[Segment]:
    """The segments of an attempt, or of the newest, the oldest first."""
    newest = c.execute(_NEWEST, {"run_id": run_id}).scalar()
    if newest is None:
        raise Problem(404, "unknown-run", f"There is no run {run_id!r}.")
    rows = c.execute(_ORIGINS, {"run_id": run_id}).all()
    origin = {number: (parent, from_step) for number, parent, from_step in rows}
    current = newest if attempt is None else attempt
    if current not in origin:
        raise Problem(404, "unknown-attempt", f"Run {run_id!r} has no attempt {current}.", field="attempt")
    return trace(origin, current)


def trace(origin: dict[int, tuple[int | None, int | None]], attempt: int) -> list[Segment]:
    """Follow each attempt to its parent; ``origin`` is (parent, from_step) by number."""
    segments = [Segment(attempt, None)]
    cut: int | None = None
    while attempt in origin:
        parent, from_step = origin[attempt]
        if parent is None or parent >= attempt:
            break
        if from_step is not None:
            cut = from_step if cut is None else min(cut, from_step)
        segments.append(Segment(parent, cut))
        attempt = parent
    return segments[::-1]


def shown_by(
    segments: list[Segment], attempt: InstrumentedAttribute[int], step: InstrumentedAttribute[int]
) -> ColumnElement[bool]:
    """The condition on rows with an attempt and a step that the segments show."""
    return or_(
        *(
            attempt == segment.attempt
            if segment.upto is None
            else and_(attempt == segment.attempt, step <= segment.upto)
            for segment in segments
        )
    )
