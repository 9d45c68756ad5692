from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.monitor.api.running import Running, run_service


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(service: Running) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def stranger(service: Running) -> Iterator[httpx.Client]:
    """Somebody without a token."""
    with service.client(token=None) as client:
        yield client
