"""Alerts: what was found, and who has seen it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from monitor.api.answers import Json
from monitor.api.parameters import RUN_PATTERN, RunInPath
from monitor.api.service import HasService, Service
from monitor.store import alert_documents, alerts, census
from monitor.store.lineage import find_lineage

AlertState = Literal["pending", "firing", "resolved"]
StateInQuery = Annotated[AlertState | None, Query(description="Only alerts in this state.")]
RunInQuery = Annotated[str | None, Query(pattern=RUN_PATTERN, description="Only alerts of this run.")]
CursorInQuery = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]
LimitInQuery = Annotated[int, Query(ge=1, le=200)]
AlertInPath = Annotated[str, Path(alias="alert", pattern=r"^[0-9a-f]{32}$", description="The alert's id.")]

router = APIRouter(tags=["alerts"])


class Acknowledgement(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="Who has seen the alert.")


@router.get("/alerts", summary="Alerts of all runs", response_class=Response)
def list_all(
    service: HasService,
    *,
    state: StateInQuery = None,
    run: RunInQuery = None,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = 100,
) -> Response:
    """The newest first."""
    with service.database.read() as connection:
        return Json(alert_documents.list_alerts(connection, run, state, cursor, limit))


@router.get("/runs/{run}/alerts", summary="Alerts of a run", response_class=Response)
def list_of_run(
    run: RunInPath,
    service: HasService,
    *,
    state: StateInQuery = None,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = 100,
) -> Response:
    """The newest first."""
    with service.database.read() as connection:
        find_lineage(connection, run)
        return Json(alert_documents.list_alerts(connection, run, state, cursor, limit))


@router.post("/runs/{run}/alerts/{alert}/acknowledge", summary="Say who has seen it", response_class=Response)
def acknowledge(
    run: RunInPath, alert: AlertInPath, acknowledgement: Acknowledgement, service: HasService
) -> Response:
    """The first who says so stays; the state does not change."""
    document = alerts.acknowledge(service.database, run, alert, acknowledgement.by, service.clock())
    _tell(service, run)
    return Json(document)


def _tell(service: Service, run: str) -> None:
    with service.database.read() as connection:
        versions = census.run_versions(connection, [run])
    if run in versions:
        service.broker.publish(run, versions[run], frozenset({"alerts"}))
