"""Imports into a real service, and what it has then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from monitor.client.address import Address
from monitor.client.transport import HttpTransport
from monitor.interop.importing import import_all
from tests.monitor.api.running import TOKEN, Running, run_service


class Importer:
    def __init__(self, service: Running, client: httpx.Client) -> None:
        self.client = client
        self.link = f"{service.url}/?token={TOKEN}"
        self._transport = HttpTransport(Address(service.url, TOKEN))
        #: What was told, line by line, by the latest import.
        self.said: list[str] = []

    def __call__(self, *paths: Path, **options: Any) -> bool:
        self.said = []
        return import_all(paths, self._transport, self.said.append, **options)

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get("/api/v1/runs?limit=200").json()["runs"]
        return found

    def run(self) -> dict[str, Any]:
        (only,) = self.runs()
        return only

    def points(self, name: str, run: str | None = None) -> list[tuple[int, Any]]:
        columns = self.columns(name, run)
        return list(zip(columns["step"], columns["last"], strict=True))

    def columns(self, name: str, run: str | None = None) -> dict[str, Any]:
        address = f"/api/v1/runs/{run or self.run()['id']}/points"
        columns: dict[str, Any] = self.client.get(address, params={"name": name}).json()["series"][name]
        return columns

    def series(self, run: str | None = None) -> dict[str, dict[str, Any]]:
        listed = self.client.get(f"/api/v1/runs/{run or self.run()['id']}/series").json()["series"]
        return {entry["name"]: entry for entry in listed}

    def close(self) -> None:
        self._transport.close()


@contextmanager
def importer(directory: Path) -> Iterator[Importer]:
    with run_service(directory) as service, service.client() as client:
        made = Importer(service, client)
        try:
            yield made
        finally:
            made.close()
