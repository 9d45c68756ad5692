"""Alerts that were none: saying so, and how often it happens."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from monitor.alerts.turning_points import RULE
from monitor.api.alerts import AlertInPath
from monitor.api.answers import Json
from monitor.api.parameters import RunInPath
from monitor.api.service import HasService
from monitor.store import census, false_alarms

router = APIRouter(tags=["alerts"])


class Dismissal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="Who says that it was a false alarm.")


@router.post("/runs/{run}/alerts/{alert}/dismiss", summary="Say that it was false", response_class=Response)
def dismiss(run: RunInPath, alert: AlertInPath, dismissal: Dismissal, service: HasService) -> Response:
    """A transition `dismissed` beside the alert's state; it counts in `/false-alarms` from then on."""
    document = false_alarms.dismiss(service.database, run, alert, dismissal.by, service.clock())
    with service.database.read() as connection:
        versions = census.run_versions(connection, [run])
    service.broker.publish(run, versions[run], frozenset({"alerts"}))
    return Json(document)


@router.get("/false-alarms", summary="How often turning points were false", response_class=Response)
def observed(service: HasService) -> Response:
    """Dismissed alerts over the healthy evaluations watched, with an exact Poisson interval."""
    with service.database.read() as connection:
        seen = false_alarms.observed(connection, RULE)
    low, high = seen.interval or (None, None)
    return Json(
        {
            "dismissed": seen.dismissed,
            "confirmed": seen.confirmed,
            "healthy": seen.healthy,
            "per_thousand": seen.per_thousand,
            "low": low,
            "high": high,
            "sentence": seen.sentence,
        }
    )
