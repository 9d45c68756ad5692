"""Small questions about runs as a whole: which version, how many in each state, what waits."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from monitor.errors import Problem
from monitor.store.schema import Outbox, Run


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


def runs_by_state(c: Connection) -> dict[str, int]:
    rows = c.execute(select(Run.state, func.count()).group_by(Run.state).order_by(Run.state))
    return dict(rows.all())


def outbox_pending(c: Connection) -> int:
    return c.execute(select(func.count()).where(Outbox.outcome.is_(None))).scalar_one()
