"""What a request needs of the service it reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from anyio import CapacityLimiter, Semaphore
from fastapi import Depends, Request

from monitor.alerts.channels.event import Channel
from monitor.alerts.rulebook import RuleBook
from monitor.api.auth import Access
from monitor.api.broker import Broker
from monitor.api.metrics import Metrics
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store.database import Database

STORING, DRAWING = 16, 2


class BackgroundWork(Protocol):
    """What is done beside answering, by this process or by another one of the same database."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def notice(self, run: str) -> None: ...

    def notice_points(self, run: str) -> None: ...

    @property
    def waiting(self) -> int: ...


@dataclass(frozen=True)
class Service:
    settings: Settings
    database: Database
    clock: Clock
    access: Access
    broker: Broker
    metrics: Metrics
    background: BackgroundWork
    book: RuleBook
    channels: Mapping[str, Channel]
    #: Threads of their own, so that no crowd of readers makes a training process wait for its answer: one lot
    #: for batches, and few for pictures, which compute more than they wait.
    storing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(STORING))
    drawing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(DRAWING))
    #: Waited for without a thread, so that what nobody wants any more when its turn comes is not drawn.
    turns: Semaphore = field(default_factory=lambda: Semaphore(DRAWING))


async def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


HasService = Annotated[Service, Depends(_service)]
