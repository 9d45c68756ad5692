"""Server-sent events: which run changed, so that an open page asks for just that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from monitor.api.broker import ALL_CHANGES, Change, Subscription
from monitor.api.parameters import RUN_PATTERN
from monitor.api.service import HasService, Service
from monitor.errors import Problem
from monitor.store import census

MOST_STREAMS = 256
#: A run that changes faster is told this often, in seconds.
PACE = 0.1

router = APIRouter(tags=["live"])


@dataclass(frozen=True)
class Listening:
    """A page's place among the streams, and what it heard before."""

    subscription: Subscription
    heard: int | None
    #: Whether it is told just what it missed.
    resumes: bool


async def _listen(
    service: HasService,
    run: Annotated[list[Annotated[str, Query(pattern=RUN_PATTERN)]] | None, Query(max_length=64)] = None,
    last_event_id: Annotated[str, Header(max_length=32)] = "",
) -> AsyncIterator[Listening]:
    """Taken before the answer begins: of pages that come all at once, those beyond the limit are told so."""
    broker = service.broker
    if len(broker) >= MOST_STREAMS:
        raise Problem(503, "too-many-streams", f"{MOST_STREAMS} pages are open; close some.")
    heard = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else None
    resumes = heard is not None and broker.remembers(heard)
    after = heard if heard is not None and resumes else broker.number
    subscription = broker.subscribe(run or [], after)
    try:
        yield Listening(subscription, heard, resumes)
    finally:
        broker.unsubscribe(subscription)


@router.get("/events", response_class=EventSourceResponse)
async def stream_events(
    service: HasService, listening: Annotated[Listening, Depends(_listen)]
) -> AsyncIterable[ServerSentEvent]:
    """Tells each change of the named runs, or of all.

    A page that missed more than is remembered is told of every run instead.
    """
    subscription = listening.subscription
    yield ServerSentEvent(comment="ganwatch", retry=2000)
    if not listening.resumes and (subscription.runs or listening.heard is not None):
        for present in await run_in_threadpool(_state_of, service, subscription.runs):
            yield _event(present)
    while change := await subscription.next():
        yield _event(change)
        if not subscription.pending:
            await asyncio.sleep(PACE)


def _event(change: Change) -> ServerSentEvent:
    body = {"run": change.run, "version": change.version, "changed": sorted(change.what)}
    return ServerSentEvent(event="run", id=str(change.number), data=body)


def _state_of(service: Service, runs: frozenset[str]) -> list[Change]:
    number = service.broker.number
    with service.database.read() as connection:
        versions = census.run_versions(connection, runs)
    return [Change(number, run, version, ALL_CHANGES) for run, version in versions.items()]
