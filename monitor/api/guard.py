"""What a request may cost: the size of its body, the time it takes to come, how long its answer may wait."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Seconds in which a client must take what it is sent.
WRITE_TIMEOUT = 60.0
#: How much of a refused body is read and thrown away, so that the client comes to read why it was refused.
DRAINED_BYTES = 64 * 2**20
DRAINED_SECONDS = 2.0

log = logging.getLogger("ganwatch")


class Guard:
    def __init__(
        self, app: ASGIApp, max_body: int, body_timeout: float, write_timeout: float = WRITE_TIMEOUT
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._body_timeout = body_timeout
        self._write_timeout = write_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        declared = int(length) if length.isdecimal() else 0
        exchange = _Exchange(
            receive,
            send,
            declared,
            has_body_left=declared > 0 or "transfer-encoding" in headers,
            max_body=self._max_body,
            deadline=anyio.current_time() + self._body_timeout,
            write_timeout=self._write_timeout,
        )
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            if not exchange.has_stalled:
                raise
            log.info("%s %s: the client stopped reading", scope["method"], scope["path"])


@dataclass
class _Exchange:
    """One request and its answer."""

    inner_receive: Receive
    inner_send: Send
    declared: int
    has_body_left: bool
    max_body: int
    deadline: float
    write_timeout: float
    received: int = 0
    has_stalled: bool = False

    async def receive(self) -> Message:
        if not self.has_body_left:
            return await self.inner_receive()
        if self.declared > self.max_body:
            raise HTTPException(413)
        message: Message = {}
        with anyio.CancelScope(deadline=self.deadline):
            message = await self.inner_receive()
        if not message:
            raise HTTPException(408)
        self._count(message)
        if self.received > self.max_body:
            raise HTTPException(413)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self.has_body_left:
            MutableHeaders(scope=message)["connection"] = "close"
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and self.has_body_left:
            await self._write({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body"}
        await self._write(message)

    async def _write(self, message: Message) -> None:
        try:
            with anyio.fail_after(self.write_timeout):
                await self.inner_send(message)
        except TimeoutError:
            self.has_stalled = True
            raise

    async def _drain(self) -> None:
        limit = self.received + DRAINED_BYTES
        with anyio.move_on_after(DRAINED_SECONDS):
            while self.has_body_left and self.received < limit:
                self._count(await self.inner_receive())

    def _count(self, message: Message) -> None:
        self.received += len(message.get("body", b""))
        self.has_body_left = message["type"] == "http.request" and message.get("more_body", False)
