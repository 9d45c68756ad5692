"""For those who watch the watcher: alive, ready, and counted."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import PlainTextResponse, Response

from monitor.api.answers import Json
from monitor.api.service import HasService
from monitor.store import census

router = APIRouter(tags=["health"])


@router.get("/healthz", response_class=Response, summary="The process answers")
async def is_alive() -> Response:
    return Json({"status": "ok"})


@router.get("/readyz", response_class=Response, summary="The database answers, too")
def is_ready(service: HasService) -> Response:
    with service.database.read() as connection:
        connection.execute(text("SELECT 1"))
    return Json({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse, summary="What the service counts, for Prometheus")
def metrics(service: HasService) -> Response:
    with service.database.read() as connection:
        counted = census.take_census(connection)
    body = service.metrics.text(counted, judging=service.background.waiting, streams=len(service.broker))
    return PlainTextResponse(body, media_type="text/plain; version=0.0.4; charset=utf-8")
