"""One shape for every answer that is not a success, whichever layer found out."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DatabaseError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from monitor.api.answers import Json
from monitor.api.welcome import wants_page, wrong_page
from monitor.errors import Problem

log = logging.getLogger("ganwatch")

_OF_STATUS = {
    400: ("malformed", "The request cannot be read."),
    404: ("not-found", "Nothing is here under that address."),
    405: ("method-not-allowed", "This address does not take that method."),
    408: ("timeout", "The request's body took too long to arrive."),
    413: ("too-large", "The request's body is larger than the service takes (GANWATCH_MAX_BODY)."),
}


def answer_problem(problem: Problem) -> Response:
    return Json(problem.document(), problem.status, problem.headers)


def of_status(status: int, headers: dict[str, str] | None = None) -> Problem:
    kind, detail = _OF_STATUS.get(status, ("error", "The request failed."))
    return Problem(status, kind, detail, headers=headers)


def register(app: FastAPI) -> None:
    """Make every exception that leaves a route an answer of the one shape."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(DatabaseError, _on_database_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_exception)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer_problem(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = of_status(error.status_code, dict(error.headers or {}))
    return wrong_page(problem) if wants_page(request) else answer_problem(problem)


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    if first["type"] == "json_invalid":
        return answer_problem(Problem(400, "malformed", "The body is not valid JSON."))
    where = [str(part) for part in first["loc"][1:]] or [str(first["loc"][0])]
    return answer_problem(Problem(422, "invalid", first["msg"], field=".".join(where)))


async def _on_database_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseError)
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_OK)
    if code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        kind, detail = "database-damaged", "The database is damaged; `ganwatch doctor` says where."
    elif isinstance(error, OperationalError) and code != sqlite3.SQLITE_ERROR:
        kind, detail = "database-unavailable", "The database does not answer; try again later."
    else:
        raise error  # the statement is wrong; SQLITE_ERROR is SQLite's word for that
    log.error("the database failed: %s", error.orig)
    return answer_problem(Problem(503, kind, detail, headers={"retry-after": "5"}))


async def _on_disconnect(_: Request, __: Exception) -> Response:
    """Nobody is there to read it."""
    return answer_problem(of_status(400))


async def _on_exception(_: Request, __: Exception) -> Response:
    return answer_failure()


def answer_failure() -> Response:
    """The traceback goes to the log only."""
    detail = "The service failed at this; its log says how."
    return answer_problem(Problem(500, "internal", detail, title="Internal error"))
