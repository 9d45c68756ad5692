"""The service, put together: ``create_app`` makes it from its settings, ``Server`` runs it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.responses import Response

from monitor.alerts.channels.configured import channels_from
from monitor.alerts.rulebook import RuleBook
from monitor.api import (
    alerts,
    channels,
    commands,
    export,
    false_alarms,
    health,
    images,
    ingest,
    jobs,
    live,
    openapi,
    pages,
    problems,
    query,
    rules,
    runs,
)
from monitor.api.answers import Json
from monitor.api.auth import Access
from monitor.api.broker import Broker
from monitor.api.gate import Gate
from monitor.api.guard import Guard
from monitor.api.metrics import Metrics
from monitor.api.service import Service
from monitor.background import Background
from monitor.clock import Clock, wall_clock
from monitor.protocol import PROTOCOL_VERSION
from monitor.settings import Settings, load_settings
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.peers import Peers

API_PREFIX = "/api/v1"


def create_app(settings: Settings | None = None, clock: Clock = wall_clock) -> FastAPI:
    """Touches nothing but the data directory; the database is opened and migrated when the app starts."""
    settings = settings or load_settings()
    settings.prepare_data_dir()
    access = Access(settings.access_token(), settings.port, clock)
    database = Database(settings.database_url)
    broker = Broker(first=secrets.randbits(52))

    def make_background() -> Background:
        return Background(database, settings, clock, broker.publish)

    def make_peers() -> Peers:
        from monitor.peers import Peers  # noqa: PLC0415 - with psycopg, which SQLite does without

        return Peers(database, broker, clock, make_background)

    service = Service(
        settings=settings,
        database=database,
        clock=clock,
        access=access,
        broker=broker,
        metrics=Metrics(),
        book=RuleBook.load(settings.rules),
        channels=channels_from(settings),
        background=make_background() if database.is_sqlite else make_peers(),
    )
    app = FastAPI(
        title="ganwatch",
        version=f"{PROTOCOL_VERSION}",
        description="Watches GAN training as it happens.",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # A process that is traced must not write the token of a link into its spans.
        telemetry={"exclude": lambda scope: b"token=" in scope.get("query_string", b"")},
    )
    app.state.service = service
    app.include_router(_api(), prefix=API_PREFIX)
    app.include_router(health.router)
    app.include_router(pages.router)
    app.mount("/static", pages.Assets(directory=pages.web_directory()))
    problems.register(app)
    packed = (*DEFAULT_EXCLUDED_CONTENT_TYPES, *export.PACKED_TYPES)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=4, exclude_content_types=packed)
    app.add_middleware(Gate, settings=settings, access=access)
    app.add_middleware(Guard, max_body=settings.max_body, body_timeout=settings.body_timeout)
    return app


def _api() -> APIRouter:
    api = APIRouter()
    watching = (alerts, false_alarms, rules, channels)
    for part in (ingest, runs, query, export, images, commands, *watching, jobs, live):
        api.include_router(part.router)
    api.add_api_route("/openapi.json", _describe, include_in_schema=False, response_class=Response)
    return api


async def _describe(request: Request) -> Response:
    return Json(openapi.describe(request.app))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await run_in_threadpool(service.database.migrate)
    service.broker.start()
    await run_in_threadpool(service.background.start)
    try:
        yield
    finally:
        service.broker.close()
        await run_in_threadpool(service.background.stop)
        await run_in_threadpool(service.database.close)
