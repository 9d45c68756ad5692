"""What a turning point asks of its run: a command, where the run wanted one when it began.

A confirmed turning point that nobody has answered is commanded once an attempt: in the transaction that moved
the alert, or, where the run was away or was killed before it could obey, when it is judged again. A run that
has said what became of a command for an alert gets no other for it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from monitor import protocol
from monitor.alerts.turning_points import RULE
from monitor.errors import Problem
from monitor.store import commands
from monitor.store.database import Database
from monitor.store.schema import Alert, Command, Run

_WANTS = select(Run.attempt, Run.state, Run.commands, Run.on_turning_point).where(
    Run.id == bindparam("run_id")
)


def answer_turning_point(c: Connection, run_id: str, now: float) -> bool:
    """Command what the run wants to come of its turning point; whether there was one to be commanded."""
    run = c.execute(_WANTS, {"run_id": run_id}).one()
    kind = protocol.ASKED_BY.get(run.on_turning_point)
    if kind is None or kind not in run.commands or run.state != "running":
        return False
    alert = _newest_turning_point(c, run_id)
    if alert is None or _is_answered(c, run_id, alert.id, run.attempt):
        return False
    parameters = {"alert": alert.id, "onset_step": alert.onset_step, "automatic": True}
    commands.add_command(c, run_id, run.attempt, kind, parameters, now=now)
    return True


def command_by_hand(
    db: Database, run_id: str, kind: str, parameters: dict[str, Any], now: float
) -> dict[str, Any]:
    """What a person asks of a run. To go back without saying before what means: before its turning point."""
    onset = parameters.get("onset_step")
    if onset is not None and (not isinstance(onset, int) or isinstance(onset, bool)):
        raise Problem(422, "invalid", f"onset_step is a step, not {onset!r}.", field="parameters")
    if kind == "rollback" and not parameters:
        with db.read() as c:
            refused = commands.refusal(c, run_id, kind)
            alert = _newest_turning_point(c, run_id)
        if refused is not None:
            raise refused
        if alert is None:
            raise Problem(
                422,
                "invalid",
                "The run has no open turning point: say parameters.onset_step, a step to go back to before.",
                field="parameters",
            )
        parameters = {"alert": alert.id, "onset_step": alert.onset_step}
    return commands.issue_command(db, run_id, kind, parameters, now=now)


def _newest_turning_point(c: Connection, run_id: str) -> Any:
    """Of those that are confirmed and not over."""
    return c.execute(
        select(Alert.id, Alert.onset_step)
        .where(Alert.run_id == run_id, Alert.rule == RULE, Alert.state == "firing")
        .order_by(Alert.began.desc(), Alert.attempt.desc())
        .limit(1)
    ).first()


def _is_answered(c: Connection, run_id: str, alert: str, attempt: int) -> bool:
    rows = c.execute(
        select(Command.attempt, Command.parameters, Command.outcome).where(Command.run_id == run_id)
    )
    asked = [row for row in rows if row.parameters.get("alert") == alert]
    return any(row.attempt == attempt or row.outcome is not None for row in asked)
