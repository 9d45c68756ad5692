"""What a request may cost: the size of its body, the time it takes to come, how long its answer may wait."""

from __future__ import annotations

import logging

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Seconds in which a client must take what it is sent.
WRITE_TIMEOUT = 60.0
#: How much of a refused body is read and thrown away, so that the client comes to read why it was refused.
DRAINED_BYTES = 64 * 2**20
DRAINED_SECONDS = 5.0

log = logging.getLogger("ganwatch")


class Guard:
    def __init__(self, app: ASGIApp, max_body: int, body_timeout: float) -> None:
        self._app = app
        self._max_body = max_body
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._max_body, anyio.current_time() + self._body_timeout)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            if not exchange.has_stalled:
                raise
            log.info("%s %s: the client stopped reading", scope["method"], scope["path"])


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body: int, deadline: float) -> None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        self._declared = int(length) if length.isdecimal() else 0
        self._has_body_left = self._declared > 0 or "transfer-encoding" in headers
        self._received = 0
        self._receive = receive
        self._send = send
        self._max_body = max_body
        self._deadline = deadline
        self.has_stalled = False

    async def receive(self) -> Message:
        if not self._has_body_left:
            return await self._receive()
        if self._declared > self._max_body:
            raise HTTPException(413)
        message: Message = {}
        with anyio.CancelScope(deadline=self._deadline):
            message = await self._receive()
        if not message:
            raise HTTPException(408)
        self._count(message)
        if self._received > self._max_body:
            raise HTTPException(413)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._has_body_left:
            MutableHeaders(scope=message)["connection"] = "close"
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and self._has_body_left:
            await self._write({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body"}
        await self._write(message)

    async def _write(self, message: Message) -> None:
        try:
            with anyio.fail_after(WRITE_TIMEOUT):
                await self._send(message)
        except TimeoutError:
            self.has_stalled = True
            raise

    async def _drain(self) -> None:
        limit = self._received + DRAINED_BYTES
        with anyio.move_on_after(DRAINED_SECONDS):
            while self._has_body_left and self._received < limit:
                self._count(await self._receive())

    def _count(self, message: Message) -> None:
        self._received += len(message.get("body", b""))
        self._has_body_left = message["type"] == "http.request" and message.get("more_body", False)
