from pathlib import Path

import pytest

from tests.trainer.fidelity.measured import WEIGHTS


@pytest.fixture
def weights(packed_sets: Path) -> Path:
    path = packed_sets / WEIGHTS
    if not path.exists():
        pytest.skip(f"{path} is missing")
    return path
