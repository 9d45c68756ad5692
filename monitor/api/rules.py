"""Rules over HTTP: read, made, changed, deleted. Every change is a revision."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from monitor.alerts.rulebook import Entry, check_filter
from monitor.api.answers import Json
from monitor.api.service import HasService, Service
from monitor.detection.rules.parsing import KEYS, parse_rule
from monitor.detection.rules.reader import RuleError
from monitor.detection.rules.sources import complete
from monitor.errors import Problem
from monitor.store import census, rules

router = APIRouter(tags=["rules"])

RuleInPath = Annotated[
    str, Path(alias="rule", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The rule's name.")
]
RevisionInQuery = Annotated[
    int | None, Query(ge=0, description="The revision that is to be deleted; without it, whichever there is.")
]


class RuleText(BaseModel):
    """A rule, as a table of TOML has it."""

    model_config = ConfigDict(extra="forbid")

    definition: dict[str, Any] = Field(
        description=f"Keys: {'; '.join(f'`{key}`, {what}' for key, what in KEYS.items())}.",
        examples=[{"series": "loss/d", "below": 0.01, "for": "2 epochs", "severity": "warning"}],
    )
    revision: int | None = Field(
        default=None, ge=0, description="The revision that this replaces, 0 for none; else 409."
    )


@router.get("/rules", summary="The rules that there are", response_class=Response)
def list_all(service: HasService) -> Response:
    """With the defaults, and those of the rules file; `origin` says which is which."""
    with service.database.read() as connection:
        entries = service.book.entries(connection)
    return Json({"rules": [_document(entry) for entry in entries.values()]})


@router.get("/rules/{rule}", summary="One rule", response_class=Response)
def get(rule: RuleInPath, service: HasService) -> Response:
    return Json(_find(service, rule))


@router.get("/rules/{rule}/revisions", summary="What was made of a rule over HTTP", response_class=Response)
def list_revisions(rule: RuleInPath, service: HasService) -> Response:
    """The newest first; where `definition` is null, the rule was deleted."""
    with service.database.read() as connection:
        found = rules.list_revisions(connection, rule)
    if not found:
        raise Problem(404, "unknown-rule", f"No rule {rule!r} was made over HTTP.", field="rule")
    return Json({"revisions": [revision._asdict() for revision in found]})


@router.put("/rules/{rule}", summary="Make or change a rule", response_class=Response)
def put(rule: RuleInPath, text: RuleText, service: HasService) -> Response:
    """It holds for running runs from now on. An alert that fires under it goes on where the rule as it is
    now finds trouble in what is stored, and ends where it does not. A default may be given by the keys that
    are to be another, such as `{"enabled": false}`.
    """
    _refuse_if_in_file(service, rule)
    definition = complete(rule, text.definition)
    try:
        parse_rule(rule, definition)
        check_filter(rule, definition)
    except RuleError as error:
        where = f"definition.{error.key}" if error.key else "definition"
        detail = "; ".join([error.detail, *map(str, error.faults[1:])])
        raise Problem(422, "bad-rule", detail, field=where) from None
    rules.write_rule(service.database, rule, definition, text.revision, service.clock())
    _judge_anew(service)
    return Json(_find(service, rule))


@router.delete("/rules/{rule}", status_code=204, summary="Delete a rule", response_class=Response)
def delete(rule: RuleInPath, service: HasService, *, revision: RevisionInQuery = None) -> Response:
    """Its alerts end. A default that it took the place of holds again; `enabled` lets one rest."""
    _refuse_if_in_file(service, rule)
    rules.write_rule(service.database, rule, None, revision, service.clock())
    _judge_anew(service)
    return Response(status_code=204)


def _find(service: Service, name: str) -> dict[str, Any]:
    with service.database.read() as connection:
        entry = service.book.entries(connection).get(name)
    if entry is None:
        raise Problem(404, "unknown-rule", f"There is no rule {name!r}.", field="rule")
    return _document(entry)


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.rule.name,
        "origin": entry.origin,
        "revision": entry.revision,
        "changed": entry.changed,
        "enabled": entry.rule.enabled,
        "severity": entry.rule.severity,
        "definition": entry.definition,
    }


def _refuse_if_in_file(service: Service, name: str) -> None:
    if service.book.is_in_file(name):
        raise Problem(
            409,
            "rule-in-file",
            f"The rule {name!r} is in the service's rules file; change it there, or take another name.",
            field="rule",
        )


def _judge_anew(service: Service) -> None:
    with service.database.read() as connection:
        affected = census.runs_under_rules(connection)
    for run in affected:
        service.background.notice(run)
