"""Several processes, started by torchrun over gloo."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainer.processes import environment
from tests.trainer.ranks import CONFIGURATIONS, trained
from tests.trainer.states import last_state
from trainer.config import Batch

ROOT = Path(__file__).parents[2]


def torchrun(home: Path, *arguments: str, processes: int = 2) -> subprocess.Popen[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [sys.executable, *launch, *arguments],
        cwd=home,
        env=environment(home) | {"OMP_WAIT_POLICY": "passive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes logged and learned, by configuration."""
    folder = tmp_path_factory.mktemp("two")
    with torchrun(folder, "-m", "tests.trainer.ranks", str(folder)) as process:
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return folder


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_two_processes_do_together_what_one_does_with_the_doubled_batch(
    name: str, two: Path, tmp_path: Path
) -> None:
    config = CONFIGURATIONS[name]
    doubled = Batch(g=2 * config.batch.g, d=2 * config.batch.d, accumulate=config.batch.accumulate)
    torch.set_num_threads(1)
    one = trained(replace(config, batch=doubled), tmp_path)
    points = torch.load(two / f"{name}.points")
    assert [point[:3] for point in points] == [point[:3] for point in one.points]
    assert len(one.series("loss/d")) == 6
    torch.testing.assert_close(
        torch.tensor([point[3] for point in points]), torch.tensor([point[3] for point in one.points])
    )
    here, there = last_state(tmp_path)[1], last_state(two / name)[1]
    weights = [key for key in here if key.startswith(("/G/", "/D/", "/G_ema/"))]
    assert weights
    for key in weights:
        torch.testing.assert_close(there[key], here[key], msg=lambda text, key=key: f"{key}: {text}")
