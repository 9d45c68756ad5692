"""The detector's records out of the store: of a page of marks, or of a whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection

from monitor.detection.hindsight import Row
from monitor.detection.records import SINCE_THE_MARK, EvaluationMark, Record, assemble
from monitor.store import detectors
from monitor.store.detectors import RoleSeries
from monitor.store.lineage import Segment, find_lineage

#: Marks read at once, and judged in one transaction.
PAGE = 256

Roles = Mapping[str, RoleSeries]


def meta_of(roles: Roles) -> dict[str, Any]:
    """What the detector is told of a run."""
    quality, diversity = roles.get("Q"), roles.get("D")
    return {
        "m": diversity.m if diversity else None,
        "n_eval": next((s.n for s in (quality, diversity) if s and s.n), None),
    }


def records_of(  # noqa: PLR0917 - all that tells a page of marks
    c: Connection,
    run_id: str,
    segments: Sequence[Segment],
    roles: Roles,
    marks: Sequence[EvaluationMark],
    last_step: int | None,
) -> list[tuple[EvaluationMark, frozenset[str], Record]]:
    """Each mark with the roles that have arrived and its record; ``last_step`` is that of the mark before."""
    if not marks:
        return []
    by_id = {series.id: series.role for series in roles.values()}
    attempt, first, last = marks[0].attempt, marks[0].index, marks[-1].index
    values = detectors.values_at(c, run_id, attempt, first=first, last=last, series=by_id)
    since = [series.id for role, series in roles.items() if role in SINCE_THE_MARK]
    after = min(marks[0].step - 1, -1) if last_step is None else last_step
    points = detectors.points_between(c, run_id, segments, since, after=after, upto=marks[-1].step)
    records = []
    for mark in marks:
        named = {by_id[series]: value for series, value in values.get(mark.index, {}).items()}
        between: dict[str, Any] = {}
        for series, (steps, numbers) in points.items():
            low, high = np.searchsorted(steps, (after, mark.step), side="right")
            between[by_id[series]] = numbers[low:high].tolist()
        records.append((mark, frozenset(named), assemble(mark, named, between)))
        after = mark.step
    return records


def rows_of_run(c: Connection, run_id: str, attempt: int | None = None) -> tuple[list[Row], dict[str, Any]]:
    """All records of an attempt's lineage (default: the newest attempt's), and what the detector is told."""
    segments = find_lineage(c, run_id, attempt)
    roles = detectors.series_by_role(c, run_id)
    changed = detectors.attempts_with_remedy(c, run_id)
    rows: list[Row] = []
    last_step = None
    for segment in segments:
        first, is_changed = 0, segment.attempt in changed and segment is not segments[0]
        while marks := detectors.marks_from(c, run_id, segment, first, PAGE):
            for mark, _, record in records_of(c, run_id, segments, roles, marks, last_step):
                rows.append(Row(record, mark.step, mark.epoch, is_changed))
                is_changed = False
            first, last_step = marks[-1].index + 1, marks[-1].step
    return rows, meta_of(roles)
