import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def sets_folder() -> Path:
    return Path(os.environ.get("GANWATCH_TEST_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture
def packed_sets() -> Path:
    return sets_folder()


@pytest.fixture(autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decoded or measured in a test is kept for no other."""
    monkeypatch.setenv("GANWATCH_DIR", str(tmp_path_factory.mktemp("ganwatch")))
