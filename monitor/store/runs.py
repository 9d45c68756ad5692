"""Runs as people see them: listed, shown in full, renamed, given up, deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, tuple_, update

from monitor.errors import Problem
from monitor.store.commands import refusal_of
from monitor.store.database import Database
from monitor.store.facets import index_run
from monitor.store.lineage import find_lineage
from monitor.store.picture import query_points
from monitor.store.plain import LONG, float_of, number_of, plain_text
from monitor.store.remedies import list_attempts, remedies_left
from monitor.store.schema import Alert, Blob, DetectorState, Gap, Mark, Run, Series, Total, Writer

#: Which series stands for each headline number: the first role that a run has.
HEADLINES = {"S_G": ("S_G_ep", "S_G"), "S_D": ("S_D_ep", "S_D"), "Q": ("Q",), "D": ("D",)}
ALERT_STATES = ("firing", "pending", "resolved")


def list_runs(
    c: Connection,
    *,
    project: str | None = None,
    state: str | None = None,
    archived: bool | None = None,
    condition: ColumnElement[bool] | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A page of runs, the newest first, and the cursor of the next; ``condition`` is of ``filter_runs``."""
    conditions: list[ColumnElement[bool]] = []
    if project is not None:
        conditions.append(Run.project == plain_text(project))
    if state is not None:
        conditions.append(Run.state == plain_text(state))
    if archived is not None:
        conditions.append(Run.archived.is_(archived))
    if condition is not None:
        conditions.append(condition)
    if cursor is not None:
        conditions.append(tuple_(Run.created, Run.id) < tuple_(*_parse_cursor(cursor)))
    found = _summarize(c, conditions, limit + 1)
    page = found[:limit]
    return {"runs": page, "next": f"{page[-1]['created']!r}~{page[-1]['id']}" if len(found) > limit else None}


def get_run(c: Connection, run_id: str) -> dict[str, Any]:
    """All that is known of a run besides its points."""
    found = _summarize(c, [Run.id == run_id], 1)
    if not found:
        raise _unknown(run_id)
    run = c.execute(
        select(Run.config, Run.commands, Run.on_turning_point, Run.rejected).where(Run.id == run_id)
    ).one()
    writers = c.execute(
        select(
            Writer.id,
            Writer.rank,
            Writer.host,
            Writer.process,
            Writer.state,
            Writer.high_water,
            Writer.dropped,
            Writer.last_seen,
        )
        .where(Writer.run_id == run_id)
        .order_by(Writer.began, Writer.id)
    )
    gaps = c.execute(
        select(Gap.writer, Gap.first, Gap.last, Gap.reason, Gap.time)
        .where(Gap.run_id == run_id)
        .order_by(Gap.time, Gap.writer, Gap.first)
    )
    # The mark behind the newest that the slowest detector has read. An attempt that went back does not begin
    # at mark 0, so how many it has read would not tell how far it is.
    judged = c.execute(
        select(func.min(DetectorState.cursor)).where(
            DetectorState.run_id == run_id, DetectorState.attempt == found[0]["attempt"]
        )
    ).scalar()
    attempts = list_attempts(c, run_id)
    taken = sum(attempt["remedy"] is not None for attempt in attempts)
    left = remedies_left(run.config, run.on_turning_point, taken)
    refused = refusal_of("rollback", run.commands, found[0]["state"], left)
    return {
        **found[0],
        **run._mapping,
        "judged": judged or 0,
        "attempts": attempts,
        # What the run does if it goes back to before a turning point, and why it cannot be asked to.
        "rescue": {
            "remedy": next(iter(left or ()), None),
            "refused": None if refused is None else refused.detail,
        },
        "writers": [dict(row._mapping) for row in writers],
        "gaps": [dict(row._mapping) for row in gaps],
    }


def update_run(
    db: Database,
    run_id: str,
    *,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    archived: bool | None = None,
) -> dict[str, Any]:
    """Change what people may change, and answer with the run as it is then."""
    values: dict[str, Any] = {
        "name": None if name is None else plain_text(name),
        "notes": None if notes is None else plain_text(notes, LONG),
        "tags": None if tags is None else [plain_text(tag) for tag in tags],
        "archived": archived,
    }
    values = {key: value for key, value in values.items() if value is not None}
    with db.write() as c:
        changed = c.execute(update(Run).where(Run.id == run_id).values(version=Run.version + 1, **values))
        if not changed.rowcount:
            raise _unknown(run_id)
        index_run(c, run_id)
        return get_run(c, run_id)


def delete_run(db: Database, run_id: str) -> None:
    """Remove the run and everything that is stored of it."""
    with db.write() as c:
        if not c.execute(delete(Run).where(Run.id == run_id)).rowcount:
            raise _unknown(run_id)
        c.execute(delete(Blob).where(Blob.run_id == run_id))


def mark_lost(db: Database, now: float, silent_for: float) -> list[str]:
    """Give up on running runs that have been silent that long; a batch brings one back. Their ids."""
    silent = and_(Run.state == "running", Run.last_seen < now - silent_for)
    with db.read() as c:
        if c.execute(select(Run.id).where(silent).limit(1)).first() is None:
            return []
    with db.write() as c:
        return list(
            c.execute(
                update(Run).where(silent).values(state="lost", version=Run.version + 1).returning(Run.id)
            ).scalars()
        )


def _unknown(run_id: str) -> Problem:
    return Problem(404, "unknown-run", f"There is no run {run_id!r}.")


def _parse_cursor(cursor: str) -> tuple[float, str]:
    created, _, run_id = plain_text(cursor).partition("~")
    try:
        return float(created), run_id
    except ValueError:
        raise Problem(
            400, "bad-cursor", "The cursor is not one that was given out.", field="cursor"
        ) from None


def _summarize(c: Connection, conditions: list[ColumnElement[bool]], limit: int) -> list[dict[str, Any]]:
    newest_mark = (
        select(Mark.epoch)
        .where(Mark.run_id == Run.id)
        .order_by(Mark.attempt.desc(), Mark.index.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = c.execute(
        select(
            Run.id,
            Run.project,
            Run.name,
            Run.state,
            Run.message,
            Run.tags,
            Run.notes,
            Run.created,
            Run.last_seen,
            Run.ended,
            Run.attempt,
            Run.dropped,
            Run.archived,
            Run.version,
            Run.last_step.label("steps"),
            newest_mark.label("epoch"),
        )
        .where(*conditions)
        .order_by(Run.created.desc(), Run.id.desc())
        .limit(limit)
    ).all()
    ids = [row.id for row in rows]
    headlines = _headlines(c, {row.id: row.attempt for row in rows})
    alerts = _count_alerts(c, ids)
    return [{**row._mapping, "last": headlines[row.id], "alerts": alerts[row.id]} for row in rows]


def _headlines(c: Connection, attempts: dict[str, int]) -> dict[str, dict[str, float | str | None]]:
    roles = [role for candidates in HEADLINES.values() for role in candidates]
    rows = c.execute(
        select(Series.run_id, Series.role, Series.name, Total.attempt, Total.last_step, Total.last)
        .join(Total, and_(Total.run_id == Series.run_id, Total.series_id == Series.id))
        .where(Series.run_id.in_(attempts), Series.role.in_(roles))
        .order_by(Total.attempt, Series.id.desc())
    )
    newest = {(row.run_id, row.role): row for row in rows}
    shown = {run_id: _Shown(c, run_id, attempt) for run_id, attempt in attempts.items()}
    last = {(run_id, role): shown[run_id].last(row) for (run_id, role), row in newest.items()}
    return {
        run_id: {
            headline: next((last[run_id, role] for role in candidates if (run_id, role) in last), None)
            for headline, candidates in HEADLINES.items()
        }
        for run_id in attempts
    }


class _Shown:
    """The last value that still counts, where a run went back."""

    def __init__(self, c: Connection, run_id: str, attempt: int) -> None:
        self._c = c
        self._run_id = run_id
        self._attempt = attempt
        self._segments: dict[int, int | None] = {}

    def last(self, total: Any) -> float | str | None:
        """Of a series, from its newest total, or from its points where those are not all shown."""
        if total.attempt == self._attempt:
            return number_of(float_of(total.last))
        if not self._segments:
            self._segments = dict(find_lineage(self._c, self._run_id))
        upto = self._segments.get(total.attempt)
        if upto is not None and total.last_step <= upto:
            return number_of(float_of(total.last))
        drawn = query_points(self._c, self._run_id, [total.name], 1)["series"][total.name]
        value: float | str | None = drawn["last"][-1] if drawn.get("last") else None
        return value


def _count_alerts(c: Connection, run_ids: list[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ALERT_STATES, 0))
    for run_id, state, count in c.execute(
        select(Alert.run_id, Alert.state, func.count())
        .where(Alert.run_id.in_(run_ids))
        .group_by(Alert.run_id, Alert.state)
    ):
        counts[run_id][state] = count
    return counts
