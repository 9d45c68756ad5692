from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from monitor.api.guard import Guard
from tests.monitor.api.running import TOKEN, run_service


def test_a_client_that_stops_reading_is_let_go() -> None:
    """The server behind has a full buffer for it: its ``send`` never returns."""
    sent: list[Message] = []

    async def stuck(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def quiet() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def forever(scope: Scope, receive: Receive, send: Send) -> None:
        async def body() -> Any:
            while True:
                yield b"more"

        await StreamingResponse(body())(scope, receive, send)

    guard = Guard(forever, max_body=1, body_timeout=1, write_timeout=0.05)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.3"}}
    asyncio.run(asyncio.wait_for(guard(scope, quiet, stuck), 10))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_a_request_s_head_that_trickles_is_given_up(tmp_path: Path) -> None:
    with run_service(tmp_path, head_seconds=0.3) as service:
        for beginning in (b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
                connection.sendall(beginning)
                assert connection.recv(65536) == b""


def test_the_next_head_on_a_connection_may_not_trickle_either(tmp_path: Path) -> None:
    with (
        run_service(tmp_path, head_seconds=0.3) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection,
    ):
        head = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /hea")
        while connection.recv(65536):
            pass


def test_an_answer_may_take_longer_than_its_head(tmp_path: Path) -> None:
    with (
        run_service(tmp_path, head_seconds=0.3, body_timeout=1.0) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection,
    ):
        head = ["PATCH /api/v1/runs/r HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}"]
        fields = ["Content-Type: application/json", "Content-Length: 2", "", ""]
        connection.sendall("\r\n".join([*head, *fields]).encode() + b"{")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
