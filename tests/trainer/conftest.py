import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def packed_sets() -> Path:
    return Path(os.environ.get("GANWATCH_TEST_DATA") or ROOT.parent / "shared" / "data")
