"""Small questions about runs as a whole: which version, how many in each state, what waits."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select, text

from monitor.errors import Problem
from monitor.store.schema import Alert, Batch, DetectorState, Mark, Outbox, Run


def run_versions(c: Connection, run_ids: Collection[str] = (), limit: int = 100) -> dict[str, int]:
    """The version of each of the runs, or of the newest where none is named."""
    query = select(Run.id, Run.version).order_by(Run.created.desc()).limit(limit)
    if run_ids:
        query = query.where(Run.id.in_(run_ids))
    return dict(c.execute(query).all())


def run_tag(c: Connection, run_id: str) -> str:
    """A text that stays the same as long as nothing of the run changes, and never comes again."""
    row = c.execute(select(Run.last_seen, Run.version).where(Run.id == run_id)).first()
    if row is None:
        raise Problem(404, "unknown-run", f"There is no run {run_id!r}.")
    return f"{row.last_seen:.6f}-{row.version}"


def unarchived_runs(c: Connection) -> list[str]:
    return list(c.execute(select(Run.id).where(Run.archived.is_(False)).order_by(Run.created)).scalars())


def running_runs(c: Connection) -> list[str]:
    return list(c.execute(select(Run.id).where(Run.state == "running").order_by(Run.created)).scalars())


def runs_under_rules(c: Connection) -> list[str]:
    """The runs that a change of the rules means something to."""
    troubled = select(Alert.run_id).where(Alert.state != "resolved")
    wanted = select(Run.id).where(or_(Run.state == "running", Run.id.in_(troubled)))
    return list(c.execute(wanted.order_by(Run.created)).scalars())


def runs_seen_since(c: Connection, time: float) -> list[str]:
    return list(c.execute(select(Run.id).where(Run.last_seen >= time, Run.archived.is_(False))).scalars())


class Census(NamedTuple):
    """All that is counted over the whole store."""

    #: By state.
    runs: dict[str, int]
    dropped: int
    tail_batches: int
    #: Of the running run that is furthest behind.
    detector_lag: int
    outbox_pending: int
    database_bytes: int


def take_census(c: Connection) -> Census:
    states = select(Run.state, func.count()).group_by(Run.state).order_by(Run.state)
    return Census(
        runs=dict(c.execute(states).all()),
        dropped=c.execute(select(func.coalesce(func.sum(Run.dropped), 0))).scalar_one(),
        tail_batches=c.execute(select(func.count()).select_from(Batch)).scalar_one(),
        detector_lag=_detector_lag(c),
        outbox_pending=c.execute(select(func.count()).where(Outbox.outcome.is_(None))).scalar_one(),
        database_bytes=_database_bytes(c),
    )


def _detector_lag(c: Connection) -> int:
    """Marks that the slowest detector has not read, over the newest attempts of the running runs."""
    marks = select(func.count()).where(Mark.run_id == Run.id, Mark.attempt == Run.attempt).scalar_subquery()
    read = (
        select(func.min(DetectorState.cursor))
        .where(DetectorState.run_id == Run.id, DetectorState.attempt == Run.attempt)
        .scalar_subquery()
    )
    first = (
        select(func.min(Mark.index))
        .where(Mark.run_id == Run.id, Mark.attempt == Run.attempt)
        .scalar_subquery()
    )
    behind = marks + first - func.coalesce(read, first)
    furthest = select(func.coalesce(func.max(behind), 0)).where(Run.state == "running")
    return int(c.execute(furthest).scalar_one())


def _database_bytes(c: Connection) -> int:
    if c.dialect.name == "sqlite":
        pages, size = (
            c.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
        return int(pages * size)
    return int(c.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
