from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitor.client.loopback import Service


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads the settings of whoever runs it, nor writes where it was started."""
    for name in ("GANWATCH_SERVER", "GANWATCH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GANWATCH_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()
