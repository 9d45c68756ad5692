"""The runs: listed, looked at, renamed, tagged, archived, deleted."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from monitor.api.answers import Json, answer_unless_known
from monitor.api.parameters import RunInPath
from monitor.api.service import HasService
from monitor.store import census, runs
from monitor.store.filter_grammar import LONGEST
from monitor.store.filters import filter_runs
from monitor.store.plain import LONG

FILTER_HELP = 'Words, or a filter such as `state:running tag:gn config.loss=hinge last("quality/*")>0.8`.'

router = APIRouter(tags=["runs"])

Line = Annotated[str, Field(min_length=1, max_length=500)]


class RunChange(BaseModel):
    """What a person may change of a run."""

    model_config = ConfigDict(extra="forbid")

    name: Line | None = None
    notes: Annotated[str, Field(max_length=LONG)] | None = None
    tags: Annotated[list[Line], Field(max_length=100)] | None = None
    archived: bool | None = None


@router.get("/runs", response_class=Response, summary="Runs, newest first")
def list_runs(
    service: HasService,
    *,
    project: str | None = None,
    state: Literal["running", "finished", "failed", "lost"] | None = None,
    archived: bool | None = None,
    q: Annotated[str | None, Query(max_length=LONGEST, description=FILTER_HELP)] = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    with service.database.read() as connection:
        condition = filter_runs(connection, q, service.clock()) if q else None
        found = runs.list_runs(
            connection,
            project=project,
            state=state,
            archived=archived,
            condition=condition,
            cursor=cursor,
            limit=limit,
        )
    return Json(found)


@router.get("/runs/{run}", response_class=Response, summary="All about a run but its points")
def get_run(run: RunInPath, request: Request, service: HasService) -> Response:
    with service.database.read() as connection:
        tag = census.run_tag(connection, run)
        return answer_unless_known(request, tag, lambda: runs.get_run(connection, run))


@router.patch("/runs/{run}", response_class=Response, summary="Rename, tag, note or archive a run")
def update_run(run: RunInPath, change: RunChange, service: HasService) -> Response:
    updated = runs.update_run(service.database, run, **change.model_dump(exclude_none=True))
    service.broker.publish(run, updated["version"], frozenset({"state"}))
    return Json(updated)


@router.delete("/runs/{run}", status_code=204, response_class=Response, summary="Delete a run for good")
def delete_run(run: RunInPath, service: HasService) -> Response:
    runs.delete_run(service.database, run)
    return Response(status_code=204)
