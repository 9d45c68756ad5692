from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.monitor.interop.importing import Importer, importer


@pytest.fixture(scope="package")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Importer]:
    with importer(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture
def imports(_service: Importer) -> Iterator[Importer]:
    """An empty service."""
    yield _service
    for run in _service.runs():
        _service.client.delete(f"/api/v1/runs/{run['id']}")
