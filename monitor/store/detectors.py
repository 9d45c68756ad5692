"""What detectors read, and where they stand: marks, the values that name them, the points between marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BindParameter, Connection, bindparam, select

from monitor import protocol
from monitor.detection.records import EvaluationMark
from monitor.store.chunks import Columns, decode_chunk
from monitor.store.database import insert_into
from monitor.store.lineage import Segment, shown_by
from monitor.store.plain import float_of
from monitor.store.schema import (
    Attempt,
    Batch,
    Chunk,
    DetectorState,
    Mark,
    MarkValue,
    Run,
    Series,
    Writer,
)
from monitor.store.tail import select_series

_MEAN = protocol.DISTRIBUTION_FIELDS.index("mean")


# What is asked for every run every few seconds. Made once: making a statement takes longer than running it.
_RUN: BindParameter[str] = bindparam("run_id")
_ATTEMPT: BindParameter[int] = bindparam("attempt")
_FACTS = select(
    Run.state,
    Run.attempt,
    Run.last_seen,
    Run.message,
    select(Writer.state)
    .where(Writer.run_id == Run.id, Writer.rank == 0)
    .order_by(Writer.began.desc(), Writer.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("newest"),
).where(Run.id == _RUN)
_LOCKED_FACTS = _FACTS.with_for_update(of=Run)
_ROLES = (
    select(Series.id, Series.name, Series.role, Series.unit, Series.judge, Series.m, Series.n)
    .where(Series.run_id == _RUN, Series.role.is_not(None))
    .order_by(Series.id)
)
_STANDING = select(DetectorState.cursor, DetectorState.state, DetectorState.judged).where(
    DetectorState.run_id == _RUN,
    DetectorState.attempt == _ATTEMPT,
    DetectorState.detector == bindparam("detector"),
)
_MARKS = (
    select(Mark.attempt, Mark.index, Mark.step, Mark.epoch, Mark.expects)
    .where(Mark.run_id == _RUN, Mark.attempt == _ATTEMPT, Mark.index >= bindparam("first"))
    .order_by(Mark.index)
    .limit(bindparam("limit"))
)
_MARKS_UPTO = _MARKS.where(Mark.step <= bindparam("upto"))


class Standing(NamedTuple):
    """``cursor`` is the next mark of the attempt that the detector reads, ``judged`` how many it has read."""

    cursor: int
    state: dict[str, Any]
    judged: int


class RoleSeries(NamedTuple):
    """A series that plays a role."""

    id: int
    name: str
    role: str
    unit: str
    judge: str | None
    m: int | None
    n: int | None


class RunFacts(NamedTuple):
    state: str
    attempt: int
    last_seen: float
    message: str
    #: Whether its main process was heard of while it lived.
    was_live: bool


def run_facts(c: Connection, run_id: str, *, lock: bool = False) -> RunFacts | None:
    """How the run is; with ``lock`` nobody else judges it until the transaction ends."""
    row = c.execute(_LOCKED_FACTS if lock else _FACTS, {"run_id": run_id}).first()
    if row is None:
        return None
    return RunFacts(row.state, row.attempt, row.last_seen, row.message, row.newest == "running")


def series_by_role(c: Connection, run_id: str) -> dict[str, RoleSeries]:
    """One series a role, as :func:`choose_by_role` does."""
    return choose_by_role([_role_series(row) for row in c.execute(_ROLES, {"run_id": run_id})])


def choose_by_role(declared: Iterable[RoleSeries]) -> dict[str, RoleSeries]:
    """One series a role: the first declared; diversity by the judge of quality, judges are never mixed."""
    candidates: dict[str, list[RoleSeries]] = {}
    for series in declared:
        candidates.setdefault(series.role, []).append(series)
    chosen = {role: series[0] for role, series in candidates.items()}
    if "Q" in chosen:
        same = [series for series in candidates.get("D", []) if series.judge == chosen["Q"].judge]
        chosen |= {"D": same[0]} if same else {}
    return chosen


def _role_series(row: Any) -> RoleSeries:
    return RoleSeries(*row)


def load_standing(c: Connection, run_id: str, attempt: int, detector: str) -> Standing | None:
    key = {"run_id": run_id, "attempt": attempt, "detector": detector}
    row = c.execute(_STANDING, key).first()
    return None if row is None else Standing(*row)


def save_standing(c: Connection, run_id: str, attempt: int, detector: str, standing: Standing) -> None:
    key = {"run_id": run_id, "attempt": attempt, "detector": detector}
    values = standing._asdict()
    c.execute(
        insert_into(c, DetectorState)
        .values(key | values)
        .on_conflict_do_update(index_elements=list(key), set_=values)
    )


def attempts_with_remedy(c: Connection, run_id: str) -> frozenset[int]:
    """The attempts that went on in another way than their parent."""
    rows = c.execute(select(Attempt.number, Attempt.remedy).where(Attempt.run_id == run_id))
    return frozenset(row.number for row in rows if row.remedy is not None)


def marks_from(c: Connection, run_id: str, segment: Segment, first: int, limit: int) -> list[EvaluationMark]:
    """Marks of a segment from index ``first`` on."""
    wanted = {"run_id": run_id, "attempt": segment.attempt, "first": first, "limit": limit}
    if segment.upto is None:
        rows = c.execute(_MARKS, wanted)
    else:
        rows = c.execute(_MARKS_UPTO, wanted | {"upto": segment.upto})
    return [
        EvaluationMark(attempt, index, step, epoch, frozenset(map(str, expects)))
        for attempt, index, step, epoch, expects in rows
    ]


def values_at(
    c: Connection, run_id: str, attempt: int, *, first: int, last: int, series: Iterable[int]
) -> dict[int, dict[int, float]]:
    """By mark (``first`` to ``last``) and series: the values that name the mark."""
    rows = c.execute(
        select(MarkValue.index, MarkValue.series_id, MarkValue.value).where(
            MarkValue.run_id == run_id,
            MarkValue.attempt == attempt,
            MarkValue.index.between(first, last),
            MarkValue.series_id.in_(list(series)),
        )
    )
    found: dict[int, dict[int, float]] = {}
    for index, series_id, value in rows:
        found.setdefault(index, {})[series_id] = float_of(value)
    return found


def points_between(
    c: Connection,
    run_id: str,
    segments: Sequence[Segment],
    series: Sequence[int],
    *,
    after: int,
    upto: int,
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """By series: steps and values of the lineage with ``after < step <= upto``; distributions by mean."""
    parts: dict[int, list[Columns]] = {}
    for segment in segments:
        last = upto if segment.upto is None else min(upto, segment.upto)
        if last <= after:
            continue
        tail = c.execute(
            select(Batch.payload)
            .where(Batch.run_id == run_id, Batch.attempt == segment.attempt)
            .order_by(Batch.id)
        ).scalars()
        recent = select_series(tail, series)
        for series_id in series:
            found = _compacted(c, run_id, segment.attempt, series_id, after)
            if series_id in recent:
                found.append(recent[series_id])
            kept = [columns[(columns.steps > after) & (columns.steps <= last)] for columns in found]
            parts.setdefault(series_id, []).extend(columns for columns in kept if len(columns))
    joined = {series_id: Columns.join(found).in_order() for series_id, found in parts.items() if found}
    return {
        series_id: (columns.steps, columns.values[:, _MEAN if columns.values.shape[1] > 1 else 0])
        for series_id, columns in joined.items()
    }


def _compacted(c: Connection, run_id: str, attempt: int, series_id: int, after: int) -> list[Columns]:
    """The chunks that may hold something behind ``after``: from the newest back to the first before it."""
    newest_first = (
        select(Chunk.payload)
        .where(Chunk.run_id == run_id, Chunk.series_id == series_id, Chunk.attempt == attempt)
        .order_by(Chunk.number.desc())
        # Or PostgreSQL would send all there are before the first is looked at.
        .execution_options(yield_per=4)
    )
    found: list[Columns] = []
    with c.execute(newest_first) as payloads:
        for payload in payloads.scalars():
            columns = decode_chunk(payload)
            if columns.steps.max() <= after:
                break
            found.append(columns)
    return found[::-1]


def epoch_at(c: Connection, run_id: str, segments: list[Segment], step: int) -> float | None:
    """The epoch of a step: that of the first mark at or behind it, and until one comes of the newest."""
    marks = select(Mark.epoch).where(
        Mark.run_id == run_id, Mark.epoch.is_not(None), shown_by(segments, Mark.attempt, Mark.step)
    )
    behind = marks.where(Mark.step >= step).order_by(Mark.step).limit(1)
    before = marks.where(Mark.step < step).order_by(Mark.step.desc()).limit(1)
    found = c.execute(behind).scalar()
    return c.execute(before).scalar() if found is None else found
