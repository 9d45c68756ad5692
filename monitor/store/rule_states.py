"""Where the rules of a run stand, and the points that they have yet to read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select, update

from monitor.store.chunks import ChunkError, Columns, decode_chunk
from monitor.store.lineage import Segment, shown_by
from monitor.store.schema import Alert, Batch, Chunk, Mark, RuleState, Run, Series
from monitor.store.tail import Group, decode_tail

log = logging.getLogger("ganwatch")

# What is asked for every run every few seconds. Made once: making a statement takes longer than running it.
_RUN: BindParameter[str] = bindparam("run_id")
_ATTEMPT: BindParameter[int] = bindparam("attempt")
_STATE = select(RuleState.cursor, RuleState.state).where(
    RuleState.run_id == _RUN, RuleState.attempt == _ATTEMPT
)
_MOVE = (
    update(RuleState)
    .where(RuleState.run_id == bindparam("of_run"), RuleState.attempt == bindparam("of_attempt"))
    .values(cursor=bindparam("cursor"), state=bindparam("state"))
)
_EXTENT = select(Run.project, Run.version, Run.horizon).where(Run.id == _RUN)
_OPEN = (
    select(Alert.rule, Alert.attempt, Alert.state, Alert.detected_step)
    .where(Alert.run_id == _RUN, Alert.state != "resolved")
    .order_by(Alert.attempt, Alert.episode)
)
_BEHIND = (
    select(Batch.id, Batch.payload)
    .where(Batch.run_id == _RUN, Batch.attempt == _ATTEMPT, Batch.id > bindparam("cursor"))
    .order_by(Batch.id)
    .limit(bindparam("limit"))
)
_SERIES = select(Series.id, Series.name, Series.role).where(Series.run_id == _RUN).order_by(Series.id)
_WITH_ROLES = _SERIES.where(Series.role.is_not(None))


class Extent(NamedTuple):
    """How far a run has come: the number of its newest batch, and up to which they are compacted."""

    project: str
    version: int
    horizon: int


class Named(NamedTuple):
    id: int
    name: str
    role: str | None


class Open(NamedTuple):
    """An alert that has not ended."""

    rule: str
    attempt: int
    state: str
    detected_step: int | None


def load_rule_state(c: Connection, run_id: str, attempt: int) -> tuple[int, dict[str, Any]] | None:
    """The cursor and the state."""
    row = c.execute(_STATE, {"run_id": run_id, "attempt": attempt}).first()
    return None if row is None else (row.cursor, row.state)


def save_rule_state(c: Connection, run_id: str, attempt: int, cursor: int, state: dict[str, Any]) -> None:
    """Keep where the rules stand; the caller holds the run, so nobody else makes the row meanwhile."""
    values = {"cursor": cursor, "state": state}
    known = c.execute(_MOVE, {"of_run": run_id, "of_attempt": attempt, **values})
    if not known.rowcount:
        c.execute(insert(RuleState), {"run_id": run_id, "attempt": attempt, **values})


def find_extent(c: Connection, run_id: str) -> Extent:
    return Extent(*c.execute(_EXTENT, {"run_id": run_id}).one())


def open_alerts(c: Connection, run_id: str) -> list[Open]:
    """The oldest first."""
    return [Open(*row) for row in c.execute(_OPEN, {"run_id": run_id})]


def batches_after(
    c: Connection, run_id: str, attempt: int, cursor: int, limit: int
) -> list[tuple[int, list[Group]]]:
    """The batches of an attempt behind a cursor, as they came."""
    place = {"run_id": run_id, "attempt": attempt, "cursor": cursor, "limit": limit}
    rows = c.execute(_BEHIND, place)
    return [(row.id, _decode(run_id, row.payload)) for row in rows]


def _decode(run_id: str, payload: bytes) -> list[Group]:
    """The groups of a batch; none of one that is damaged, so that the others are judged."""
    try:
        return list(decode_tail(payload))
    except ChunkError as error:
        log.error("a batch of run %s is damaged, and no rule reads it: %s", run_id, error)
        return []


def has_unread(c: Connection, run_id: str, attempt: int, extent: Extent, cursor: int) -> bool:
    """Whether points came behind the cursor."""
    return extent.horizon > cursor or bool(batches_after(c, run_id, attempt, cursor, 1))


def name_series(c: Connection, run_id: str, *, only_roles: bool = False) -> list[Named]:
    """The series of a run, or those that play a role."""
    return [Named(*row) for row in c.execute(_WITH_ROLES if only_roles else _SERIES, {"run_id": run_id})]


def stored_points(
    c: Connection, run_id: str, segments: Sequence[Segment], series: Sequence[int], most: int
) -> Iterator[tuple[int, Columns]]:
    """Of each series the newest points of the lineage, up to so many and a chunk, in the order of steps."""
    tails = {segment.attempt: _read_tail(c, run_id, segment.attempt, series) for segment in segments}
    for number in series:
        found: list[Columns] = []
        for segment in reversed(segments):
            tail = tails[segment.attempt].get(number)
            found = [*([] if tail is None else _upto(tail, segment.upto)), *found]
            missing = most - sum(map(len, found))
            found = [*_newest_chunks(c, run_id, segment, number, missing), *found]
        if found:
            yield number, Columns.join(found).in_order()


def _read_tail(c: Connection, run_id: str, attempt: int, series: Sequence[int]) -> dict[int, Columns]:
    """The uncompacted points of an attempt, but for those of damaged batches."""
    tail = select(Batch.payload).where(Batch.run_id == run_id, Batch.attempt == attempt).order_by(Batch.id)
    wanted = frozenset(series)
    found: dict[int, list[Columns]] = {}
    for payload in c.execute(tail).scalars():
        for group in _decode(run_id, payload):
            for column, number in enumerate(group.series.tolist()):
                if number in wanted:
                    part = Columns(group.steps, group.times, group.values[column])
                    found.setdefault(number, []).append(part)
    return {number: Columns.join(parts) for number, parts in found.items()}


def _newest_chunks(c: Connection, run_id: str, segment: Segment, series: int, most: int) -> list[Columns]:
    if most <= 0:
        return []
    found: list[Columns] = []
    newest_first = (
        select(Chunk.payload)
        .where(Chunk.run_id == run_id, Chunk.series_id == series, Chunk.attempt == segment.attempt)
        .order_by(Chunk.number.desc())
        .execution_options(yield_per=4)
    )
    with c.execute(newest_first) as payloads:
        for payload in payloads.scalars():
            if sum(map(len, found)) >= most:
                break
            try:
                found = [*_upto(decode_chunk(payload), segment.upto), *found]
            except ChunkError as error:
                log.error("a chunk of run %s is damaged, and no rule reads it: %s", run_id, error)
    return found


def _upto(columns: Columns, step: int | None) -> list[Columns]:
    kept = columns if step is None else columns[columns.steps <= step]
    return [kept] if len(kept) else []


class Epochs(NamedTuple):
    """The epoch of a step is that of the newest mark up to it."""

    steps: NDArray[np.int64]
    epochs: NDArray[np.float64]

    def at(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """NaN before the first mark."""
        found = np.searchsorted(self.steps, steps, side="right")
        return np.concatenate([[np.nan], self.epochs])[found]


NO_EPOCHS = Epochs(np.empty(0, np.int64), np.empty(0, np.float64))


def epochs_from(c: Connection, run_id: str, segments: Sequence[Segment], first: int) -> Epochs:
    """The marks of the lineage from the one that ``first`` lies behind."""
    shown = (
        Mark.run_id == run_id,
        Mark.epoch.is_not(None),
        shown_by(list(segments), Mark.attempt, Mark.step),
    )
    start = c.execute(select(func.max(Mark.step)).where(*shown, Mark.step <= first)).scalar()
    query = select(Mark.step, Mark.epoch).where(*shown).order_by(Mark.step, Mark.attempt, Mark.index)
    rows = c.execute(query if start is None else query.where(Mark.step >= start)).all()
    return Epochs(
        np.array([row.step for row in rows], np.int64), np.array([row.epoch for row in rows], np.float64)
    )
