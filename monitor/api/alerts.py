"""Alerts: what was found, and who has seen it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from starlette.responses import Response

from monitor.api.answers import Json
from monitor.api.parameters import RUN_PATTERN, RunInPath
from monitor.api.service import HasService, Service
from monitor.errors import Problem
from monitor.store import alert_documents, alert_notes, census
from monitor.store.lineage import find_lineage

AlertState = Literal["pending", "firing", "resolved"]
StateInQuery = Annotated[AlertState | None, Query(description="Only alerts in this state.")]
RunInQuery = Annotated[str | None, Query(pattern=RUN_PATTERN, description="Only alerts of this run.")]
CursorInQuery = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]
LimitInQuery = Annotated[int, Query(ge=1, le=200)]
AlertInPath = Annotated[str, Path(alias="alert", pattern=r"^[0-9a-f]{32}$", description="The alert's id.")]

RuleInQuery = Annotated[str | None, Query(max_length=64, description="Only alerts of this rule.")]
NotifiedInQuery = Annotated[
    float | None,
    Query(
        allow_inf_nan=False,
        description="Only alerts that people were told of after this time, by the alert's `notified`: what a "
        "page shows as a browser notification.",
    ),
]

router = APIRouter(tags=["alerts"])


class Acknowledgement(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="Who says so.")


class Snooze(BaseModel):
    """Until when, or for how long: just one of them."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="Who wants to hear no more of it.")
    until: FiniteFloat | datetime | None = Field(
        default=None, description="Unix seconds, or a time in ISO 8601; it is UTC where it names no zone."
    )
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="From now on.")

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all(cls, given: Any, read: ModelWrapValidatorHandler[Snooze]) -> Snooze:
        """All that is wrong at once, with what would be right."""
        faults: dict[str, str] = {}
        if not isinstance(given, dict):
            raise Problem(422, "bad-snooze", 'An object is needed, such as {"by": "ann", "seconds": 3600}.')
        try:
            snooze = read(given)
        except ValidationError as error:
            # A name that is no Unicode has no place.
            for name in (str((fault["loc"] or ("?",))[0]) for fault in error.errors()):
                needed = _NEEDED.get(name, f"there is no such field; there are {', '.join(_NEEDED)}")
                told = f", not {repr(given[name])[:60]}" if name in given else " and is missing"
                faults[name] = needed + (told if name in _NEEDED else "; leave it out")
        if (given.get("until") is None) == (given.get("seconds") is None):
            told = "neither is given" if given.get("until") is None else "both are given"
            faults.setdefault("until", f"one of until and seconds is needed, and {told}")
        if faults:
            detail = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
            raise Problem(422, "bad-snooze", f"{detail}.", field=next(iter(faults)))
        return snooze

    def ends(self, now: float) -> float:
        if self.seconds is not None:
            return now + self.seconds
        if isinstance(self.until, datetime):
            until = self.until if self.until.tzinfo else self.until.replace(tzinfo=UTC)
            return until.timestamp()
        assert self.until is not None
        return self.until


#: What each field of a snooze must be.
_NEEDED = {
    "by": "who says so is needed, a text of 1 to 200 characters",
    "until": "a time such as 2030-01-31T18:00:00Z, or Unix seconds, is needed",
    "seconds": "a number above 0 is needed",
}


@router.get("/alerts", summary="Alerts of all runs", response_class=Response)
def list_all(
    service: HasService,
    *,
    state: StateInQuery = None,
    run: RunInQuery = None,
    rule: RuleInQuery = None,
    notified_after: NotifiedInQuery = None,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = 100,
) -> Response:
    """The newest first."""
    with service.database.read() as connection:
        page = alert_documents.list_alerts(
            connection, run, state, cursor, limit, rule=rule, notified_after=notified_after
        )
        return Json(page)


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


@router.get("/runs/{run}/alerts/{alert}", summary="One alert", response_class=Response)
def get(run: RunInPath, alert: AlertInPath, service: HasService) -> Response:
    """With its transitions, and the grids around the onset: `images/DIGEST` of the run."""
    with service.database.read() as connection:
        return Json(alert_documents.get_alert(connection, run, alert))


@router.post("/runs/{run}/alerts/{alert}/acknowledge", summary="Say who has seen it", response_class=Response)
def acknowledge(
    run: RunInPath, alert: AlertInPath, acknowledgement: Acknowledgement, service: HasService
) -> Response:
    """The first who says so stays; the state does not change."""
    document = alert_notes.acknowledge(service.database, run, alert, acknowledgement.by, service.clock())
    _tell(service, run)
    return Json(document)


@router.post("/runs/{run}/alerts/{alert}/snooze", summary="Hear no more of it", response_class=Response)
def snooze(run: RunInPath, alert: AlertInPath, wanted: Snooze, service: HasService) -> Response:
    """Nobody is told of the alert until then; if it still fires then, people are told again."""
    now = service.clock()
    document = alert_notes.snooze(service.database, run, alert, until=wanted.ends(now), by=wanted.by, now=now)
    _tell(service, run)
    return Json(document)


@router.post("/runs/{run}/alerts/{alert}/unsnooze", summary="Hear of it again", response_class=Response)
def unsnooze(run: RunInPath, alert: AlertInPath, who: Acknowledgement, service: HasService) -> Response:
    """What happens from now on is told; what happened meanwhile is not."""
    document = alert_notes.unsnooze(service.database, run, alert, who.by, service.clock())
    _tell(service, run)
    return Json(document)


def _tell(service: Service, run: str) -> None:
    with service.database.read() as connection:
        versions = census.run_versions(connection, [run])
    if run in versions:
        service.broker.publish(run, versions[run], frozenset({"alerts"}))
