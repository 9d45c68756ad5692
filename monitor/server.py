"""Runs the app: takes the port, says where it listens, and stops without waiting for open pages."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import h11
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.api.problems import answer_problem, of_status
from monitor.api.service import Service
from monitor.errors import Misuse, Problem
from monitor.settings import Settings

#: Seconds that requests under way are given at the end.
GRACE = 5
#: Seconds that the head of a request may take to arrive.
HEAD_SECONDS = 15.0
MOST_CONNECTIONS = 1024


class Connection(H11Protocol):
    """Gives a request's head so long to arrive; uvicorn itself would wait for it for ever.

    What is not HTTP at all, or one connection too many, is answered in the one shape of all errors, too.
    """

    def __init__(self, head_seconds: float, most_connections: int, **given: Any) -> None:
        super().__init__(**given)
        self._head_seconds = head_seconds
        self._most_connections = most_connections
        self._inner, self.app = self.app, self._answer
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._deadline:
            self._deadline.cancel()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what uvicorn would have said
        answer = answer_problem(of_status(400))
        headers = [*answer.raw_headers, (b"connection", b"close")]
        head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self.connections) <= self._most_connections:
            await self._inner(scope, receive, send)
            return
        detail = f"The service has {self._most_connections} connections open; try again later."
        problem = Problem(
            503, "too-many-connections", detail, headers={"connection": "close", "retry-after": "5"}
        )
        await answer_problem(problem)(scope, receive, send)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE and self._deadline:
            self._deadline.cancel()
            self._deadline = None
        elif self.conn.their_state is h11.IDLE and not self._deadline:
            self._deadline = self.loop.call_later(self._head_seconds, self.transport.close)


class Server(uvicorn.Server):
    """Ends the event streams first: uvicorn waits for every connection, and those never end by themselves."""

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        when_ready: Callable[[], None] | None = None,
        head_seconds: float = HEAD_SECONDS,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=cast("type[asyncio.Protocol]", partial(Connection, head_seconds, most_connections)),
                ws="none",
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=settings.proxies or None,
                timeout_graceful_shutdown=GRACE,
                lifespan="on",
            )
        )
        self._service: Service = app.state.service
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._when_ready:
            self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.broker.close()
        await super().shutdown(sockets)


def listen(settings: Settings) -> socket.socket:
    """The port, taken before anything else is begun."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Misuse(f"cannot listen on {settings.host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            reason = "is in use: stop what listens there, or choose another with --port (0 takes a free one)"
        else:
            reason = f"cannot be listened on: {error.strerror}"
        raise Misuse(f"port {settings.port} of {settings.host} {reason}") from None
    return listener
