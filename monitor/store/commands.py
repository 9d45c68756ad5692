"""What a run was asked to do: kept until the run says what became of it, or until it expires."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, select, update

from monitor import protocol
from monitor.errors import Problem
from monitor.store.database import Database, insert_into
from monitor.store.plain import LONG, plain_json, plain_text
from monitor.store.remedies import remedies_left, remedies_taken
from monitor.store.schema import Command, Run

DEFAULT_LIFETIME = 3600.0


def issue_command(
    db: Database,
    run_id: str,
    kind: str,
    parameters: dict[str, Any],
    *,
    now: float,
    lifetime: float = DEFAULT_LIFETIME,
) -> dict[str, Any]:
    """Ask the run for something that it allowed when it began."""
    parameters = plain_json(parameters)
    try:
        protocol.msgpack_encoder.encode(parameters)
    except OverflowError:
        # It would be repeated in every answer to the run, and none could be given.
        detail = "An integer is beyond 64 bits."
        raise Problem(422, "invalid", detail, field="parameters") from None
    with db.write() as c:
        refused = refusal(c, run_id, kind)
        if refused is not None:
            raise refused
        attempt = c.execute(select(Run.attempt).where(Run.id == run_id)).scalar_one()
        return add_command(c, run_id, attempt, kind, parameters, now=now, lifetime=lifetime)


def refusal(c: Connection, run_id: str, kind: str) -> Problem | None:
    """Why the run cannot be asked for that as it is now; None where it can."""
    run = c.execute(
        select(Run.commands, Run.state, Run.config, Run.on_turning_point).where(Run.id == run_id)
    ).first()
    if run is None:
        return Problem(404, "unknown-run", f"There is no run {run_id!r}.")
    left = None
    if kind == "rollback":
        left = remedies_left(run.config, run.on_turning_point, len(remedies_taken(c, run_id)))
    return refusal_of(kind, run.commands, run.state, left)


def refusal_of(kind: str, commands: list[str], state: str, left: list[str] | None) -> Problem | None:
    """Why a run that allows these commands, is in that state and has those remedies left cannot be asked."""
    if kind not in commands:
        allowed = ", ".join(commands) or "none"
        return Problem(
            409, "not-allowed", f"The run does not obey {kind!r}; it allows {allowed}.", field="kind"
        )
    if state in {"finished", "failed"}:
        return Problem(409, "run-ended", f"The run has {state}; nobody is there to obey.")
    if kind == "rollback" and left == []:
        detail = "The run has taken every remedy of its recipe: stop it, and resume it with more of them."
        return Problem(409, "remedies-taken", detail)
    return None


def add_command(
    c: Connection,
    run_id: str,
    attempt: int,
    kind: str,
    parameters: dict[str, Any],
    *,
    now: float,
    lifetime: float = DEFAULT_LIFETIME,
) -> dict[str, Any]:
    """A command that waits for the run while it is in the attempt."""
    row = {
        "id": secrets.token_hex(8),
        "attempt": attempt,
        "kind": kind,
        "parameters": parameters,
        "issued": now,
        "expires": now + lifetime,
        "outcome": None,
        "detail": "",
    }
    c.execute(insert_into(c, Command).values(run_id=run_id, **row))
    c.execute(update(Run).where(Run.id == run_id).values(version=Run.version + 1))
    return row


def pending_commands(c: Connection, run_id: str, attempt: int, now: float) -> list[protocol.Command]:
    """What every answer to the run repeats while it is in that attempt."""
    rows = c.execute(
        select(Command.id, Command.attempt, Command.kind, Command.parameters, Command.expires)
        .where(
            Command.run_id == run_id,
            Command.attempt == attempt,
            Command.outcome.is_(None),
            Command.expires > now,
        )
        .order_by(Command.issued, Command.id)
    )
    return [protocol.Command(**row._mapping) for row in rows]


def acknowledge_command(c: Connection, run_id: str, command_id: str, outcome: str, detail: str) -> None:
    """Book what became of a command, once; nothing where it is unknown or was booked before."""
    c.execute(
        update(Command)
        .where(
            Command.run_id == run_id,
            Command.id == plain_text(command_id),
            Command.outcome.is_(None),
        )
        .values(outcome=outcome, detail=plain_text(detail, LONG))
    )


def list_commands(c: Connection, run_id: str) -> list[dict[str, Any]]:
    rows = c.execute(
        select(
            Command.id,
            Command.attempt,
            Command.kind,
            Command.parameters,
            Command.issued,
            Command.expires,
            Command.outcome,
            Command.detail,
        )
        .where(Command.run_id == run_id)
        .order_by(Command.issued, Command.id)
    )
    return [dict(row._mapping) for row in rows]
