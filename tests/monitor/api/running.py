"""The real service on a real port, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from monitor.app import create_app
from monitor.clock import Clock, wall_clock
from monitor.server import HEAD_SECONDS, MOST_CONNECTIONS, Server, listen
from monitor.settings import Settings

TOKEN = "a-token-that-only-the-tests-know"


@dataclass(frozen=True)
class Running:
    app: FastAPI
    server: Server
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, token: str | None = TOKEN, **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30, **options)


@contextmanager
def run_service(
    directory: Path,
    *,
    clock: Clock = wall_clock,
    head_seconds: float = HEAD_SECONDS,
    most_connections: int = MOST_CONNECTIONS,
    **options: Any,
) -> Iterator[Running]:
    settings = Settings(**{"port": 0, "data_dir": directory, "token": TOKEN, **options})
    app = create_app(settings, clock)
    ready = threading.Event()
    with listen(settings) as listener:
        server = Server(app, settings, ready.set, head_seconds, most_connections)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(30)
            yield Running(app, server, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)
        assert not thread.is_alive()
