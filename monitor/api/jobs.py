"""Jobs: recipes queued for workers. People submit and cancel them; workers claim, renew and finish them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from monitor.api.answers import Json
from monitor.api.service import HasService
from monitor.store import jobs
from monitor.store.jobs import Outcome

router = APIRouter(tags=["jobs"])

JobInPath = Annotated[str, Path(alias="job", pattern=r"^[0-9a-f]{16}$", description="The job's id.")]
Lease = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="What the claim answered with.")]


class JobRequest(BaseModel):
    """A recipe, and what is changed of it."""

    model_config = ConfigDict(extra="forbid")

    recipe: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,46}$",
        description="Its name, as `gantrain list` shows it. The worker judges whether there is one.",
    )
    overrides: dict[str, Any] = Field(
        default={}, description='Settings by name, as {"lr.d": 4e-4, "epochs": 50}. The worker judges them.'
    )
    project: str = Field(default="default", min_length=1, max_length=500)
    name: str = Field(default="", max_length=500, description="Of the run; empty is the recipe and its seed.")
    tags: list[Annotated[str, Field(max_length=500)]] = Field(
        default=[], max_length=100, description="Of the run."
    )
    priority: int = Field(default=0, ge=-(2**31), lt=2**31, description="The higher is trained first.")


class Claim(BaseModel):
    model_config = ConfigDict(extra="forbid")

    worker: str = Field(min_length=1, max_length=200, description="Who asks, as people are shown it.")


class Heartbeat(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lease: Lease


class Finish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lease: Lease
    outcome: Outcome = Field(
        description="`returned` waits again as if nobody had taken it; `died` too, but not for ever."
    )
    message: str = Field(default="", max_length=16384)


@router.post("/jobs", status_code=201, summary="Queue a recipe", response_class=Response)
def submit(wanted: JobRequest, service: HasService) -> Response:
    """The next free worker trains it, as the run that the answer names."""
    return Json(jobs.submit(service.database, **wanted.model_dump(), now=service.clock()), status_code=201)


@router.get("/jobs", summary="Jobs, newest first", response_class=Response)
def list_all(
    service: HasService,
    *,
    project: str | None = None,
    state: Literal["queued", "running", "finished", "failed", "cancelled"] | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    with service.database.read() as connection:
        return Json(jobs.list_jobs(connection, project=project, state=state, cursor=cursor, limit=limit))


@router.get("/jobs/{job}", summary="One job", response_class=Response)
def get(job: JobInPath, service: HasService) -> Response:
    with service.database.read() as connection:
        return Json(jobs.get_job(connection, job))


@router.post("/jobs/{job}/cancel", summary="Cancel a job", response_class=Response)
def cancel(job: JobInPath, service: HasService) -> Response:
    """One that is being trained stops at a checkpoint, as soon as its worker hears of it."""
    return Json(jobs.cancel(service.database, job, service.clock()))


@router.post("/jobs/claim", summary="For workers: take the next job", response_class=Response)
def claim(asking: Claim, service: HasService) -> Response:
    """204 where none waits. Otherwise the job with its `lease`, which is the worker's for `lease_seconds`
    from every heartbeat on, the run's newest `attempt`, if it has begun, and the `remedies` it has taken.
    """
    claimed = jobs.claim(service.database, asking.worker, service.settings.lost_after, service.clock())
    return Response(status_code=204) if claimed is None else Json(claimed)


@router.post("/jobs/{job}/heartbeat", summary="For workers: keep a job", response_class=Response)
def heartbeat(job: JobInPath, alive: Heartbeat, service: HasService) -> Response:
    """409 where the job is another's by now; `cancel` asks to stop."""
    lease_seconds = service.settings.lost_after
    return Json(jobs.heartbeat(service.database, job, alive.lease, lease_seconds, service.clock()))


@router.post("/jobs/{job}/finish", summary="For workers: give a job up", response_class=Response)
def finish(job: JobInPath, end: Finish, service: HasService) -> Response:
    said = end.model_dump(include={"outcome", "message"})
    return Json(jobs.finish(service.database, job, end.lease, **said, now=service.clock()))
