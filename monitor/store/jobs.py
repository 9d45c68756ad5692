"""Jobs: recipes that wait for a worker, and the leases under which workers hold them.

A claim gives a job to one worker for the length of a lease, which every heartbeat renews. Where a lease runs
out the worker is taken for dead and the job waits again, as the same run; after ``MOST_DEATHS`` it has
failed. A worker that was only out of reach may go on, as long as nobody else has the job. ``expires`` is null
where nobody could: it was never taken, was given up, or is over.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Update, and_, select, tuple_, update

from monitor.errors import Problem
from monitor.store.database import Database, insert_into
from monitor.store.plain import INDEXED, LONG, plain_json, plain_text
from monitor.store.remedies import remedies_taken
from monitor.store.schema import Job, Run

#: How many workers may die with a job before it is taken for the cause.
MOST_DEATHS = 3
#: What a worker says of a job it gives up: ``returned`` waits again as if it had not been taken.
Outcome = Literal["finished", "failed", "cancelled", "returned", "died"]
OVER = frozenset({"finished", "failed", "cancelled"})

_SHOWN = (
    Job.id,
    Job.run_id.label("run"),
    Job.project,
    Job.name,
    Job.tags,
    Job.recipe,
    Job.overrides,
    Job.priority,
    Job.state,
    Job.message,
    Job.created,
    Job.began,
    Job.ended,
    Job.worker,
    Job.expires,
    Job.claims,
    Job.deaths,
    Job.cancelling,
)


def submit(
    db: Database,
    *,
    recipe: str,
    overrides: dict[str, Any],
    project: str,
    name: str,
    priority: int,
    now: float,
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """Let a recipe wait for a worker. Its run has a name from the first moment on."""
    job = secrets.token_hex(8)
    row = {
        "id": job,
        "run_id": f"{recipe}-{job}",
        "project": plain_text(project, INDEXED),
        "name": plain_text(name),
        "tags": [plain_text(tag) for tag in tags],
        "recipe": recipe,
        "overrides": plain_json(overrides),
        "priority": priority,
        "state": "queued",
        "message": "",
        "created": now,
        "worker": "",
        "claims": 0,
        "deaths": 0,
        "cancelling": False,
    }
    with db.write() as c:
        c.execute(insert_into(c, Job).values(row))
        return get_job(c, job)


def list_jobs(
    c: Connection,
    *,
    project: str | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A page of jobs, the newest first, and the cursor of the next page."""
    conditions: list[ColumnElement[bool]] = []
    if project is not None:
        conditions.append(Job.project == plain_text(project))
    if state is not None:
        conditions.append(Job.state == state)
    if cursor is not None:
        conditions.append(tuple_(Job.created, Job.id) < tuple_(*_parse_cursor(cursor)))
    query = select(*_SHOWN).where(*conditions).order_by(Job.created.desc(), Job.id.desc()).limit(limit + 1)
    found = [_shown(row) for row in c.execute(query)]
    page = found[:limit]
    return {"jobs": page, "next": f"{page[-1]['created']!r}~{page[-1]['id']}" if len(found) > limit else None}


def get_job(c: Connection, job: str) -> dict[str, Any]:
    row = c.execute(select(*_SHOWN).where(Job.id == job)).first()
    if row is None:
        raise _unknown(job)
    return _shown(row)


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {**row._mapping, "tags": row.tags or []}


def cancel(db: Database, job: str, now: float) -> dict[str, Any]:
    """A job that waits is over at once; one that is trained, as soon as its worker hears of it."""
    with db.write() as c:
        row = _lock(c, job)
        if row.state in OVER:
            raise Problem(409, "job-over", f"The job has {_past(row.state)}; there is nothing to cancel.")
        if row.state == "queued":
            # A worker that fell silent with it, and is heard of again, must not go on.
            c.execute(_of(job).values(_over("cancelled", "cancelled while it waited", now)))
        else:
            c.execute(_of(job).values(cancelling=True))
        return get_job(c, job)


def claim(db: Database, worker: str, lease_seconds: float, now: float) -> dict[str, Any] | None:
    """The next job, now this worker's; None where none waits. No two workers get the same."""
    release_expired(db, now)
    waiting = select(Job.id).where(Job.state == "queued")
    with db.read() as c:
        if c.execute(waiting.limit(1)).first() is None:
            return None
    with db.write() as c:
        first = waiting.order_by(Job.priority.desc(), Job.created, Job.id).limit(1)
        # SQLite's writers stand in a row; PostgreSQL's pass by what another is just taking.
        job = c.execute(first.with_for_update(skip_locked=True)).scalar()
        if job is None:
            return None
        lease = secrets.token_hex(16)
        c.execute(
            _of(job).values(
                state="running",
                message="",
                worker=plain_text(worker),
                lease=lease,
                expires=now + lease_seconds,
                claims=Job.claims + 1,
                began=now,
            )
        )
        claimed = get_job(c, job)
        attempt = c.execute(select(Run.attempt).where(Run.id == claimed["run"])).scalar()
        return {
            **claimed,
            "lease": lease,
            "lease_seconds": lease_seconds,
            "attempt": attempt,
            "remedies": remedies_taken(c, claimed["run"]),
        }


def heartbeat(db: Database, job: str, lease: str, lease_seconds: float, now: float) -> dict[str, Any]:
    """Renew the lease, and say whether the job is to be stopped."""
    with db.write() as c:
        row = _under(c, job, lease)
        if row.expires is None:
            raise _lost(row)
        c.execute(_of(job).values(state="running", message="", expires=now + lease_seconds))
        return {"expires": now + lease_seconds, "cancel": row.cancelling}


def finish(
    db: Database, job: str, lease: str, *, outcome: Outcome, message: str, now: float
) -> dict[str, Any]:
    """What became of the job. Said twice with one lease, it counts once."""
    with db.write() as c:
        row = _under(c, job, lease)
        if row.expires is not None:
            values = (
                _over(outcome, message, now)
                if outcome in OVER
                else _set_back(row, has_died=outcome == "died", message=message, now=now) | {"expires": None}
            )
            c.execute(_of(job).values(values))
        return get_job(c, job)


def release_expired(db: Database, now: float) -> list[str]:
    """Take their jobs from workers that fell silent. The jobs' ids."""
    expired = and_(Job.state == "running", Job.expires < now)
    with db.read() as c:
        if c.execute(select(Job.id).where(expired).limit(1)).first() is None:
            return []
    with db.write() as c:
        rows = c.execute(select(Job).where(expired).with_for_update(skip_locked=True)).all()
        for row in rows:
            message = f"its worker {row.worker} fell silent"
            c.execute(_of(row.id).values(_set_back(row, has_died=True, message=message, now=now)))
        return [row.id for row in rows]


def _set_back(row: Row[Any], *, has_died: bool, message: str, now: float) -> dict[str, Any]:
    """What a job becomes that its worker cannot go on with."""
    deaths = row.deaths + has_died
    if row.cancelling:
        return _over("cancelled", message, now) | {"deaths": deaths}
    if deaths >= MOST_DEATHS:
        return _over("failed", f"given up after {deaths} deaths: {message}", now) | {"deaths": deaths}
    return {"state": "queued", "message": plain_text(message, LONG), "deaths": deaths}


def _over(state: str, message: str, now: float) -> dict[str, Any]:
    return {"state": state, "message": plain_text(message, LONG), "expires": None, "ended": now}


def _of(job: str) -> Update:
    return update(Job).where(Job.id == job)


def _lock(c: Connection, job: str) -> Row[Any]:
    row = c.execute(select(Job).where(Job.id == job).with_for_update()).first()
    if row is None:
        raise _unknown(job)
    return row


def _under(c: Connection, job: str, lease: str) -> Row[Any]:
    row = _lock(c, job)
    if row.lease != lease:
        raise _lost(row)
    return row


def _lost(row: Row[Any]) -> Problem:
    return Problem(
        409,
        "lease-lost",
        f"The job is not this worker's any more: it is {row.state}, and was last {row.worker}'s. Stop it.",
        field="lease",
    )


def _unknown(job: str) -> Problem:
    return Problem(404, "unknown-job", f"There is no job {job!r}.")


def _past(state: str) -> str:
    return "been cancelled" if state == "cancelled" else state


def _parse_cursor(cursor: str) -> tuple[float, str]:
    created, _, job = plain_text(cursor).partition("~")
    try:
        return float(created), job
    except ValueError:
        raise Problem(
            400, "bad-cursor", "The cursor is not one that was given out.", field="cursor"
        ) from None
