"""What a run is asked to do: only kinds that it allowed when it began."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from monitor.alerts import rescue
from monitor.api.answers import Json, answer_unless_known
from monitor.api.parameters import RunInPath
from monitor.api.service import HasService
from monitor.protocol import CommandKind
from monitor.store import census, commands

router = APIRouter(tags=["commands"])


class CommandRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: CommandKind
    parameters: dict[str, Any] = {}


@router.post("/runs/{run}/commands", status_code=201, response_class=Response, summary="Ask a run to act")
def issue_command(run: RunInPath, wanted: CommandRequest, service: HasService) -> Response:
    """Handed to the run in the answer to each of its batches until it acknowledges it.

    `rollback` goes back to before `parameters.onset_step`, or without parameters to before the turning point
    that is open; what a run of gantrain does otherwise from there, its `rescue` settings say. The run itself
    (`GET /runs/{run}`) says in `rescue` which `remedy` comes next, and why going back is `refused`, if it is.
    """
    command = rescue.command_by_hand(
        service.database, run, wanted.kind, wanted.parameters, now=service.clock()
    )
    return Json(command, status_code=201)


@router.get("/runs/{run}/commands", response_class=Response, summary="What a run was asked to do")
def list_commands(run: RunInPath, request: Request, service: HasService) -> Response:
    with service.database.read() as connection:
        tag = census.run_tag(connection, run)
        return answer_unless_known(
            request, tag, lambda: {"commands": commands.list_commands(connection, run)}
        )
