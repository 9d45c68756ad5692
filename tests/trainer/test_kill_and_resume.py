"""Real processes, really killed."""

import json
import signal
from pathlib import Path

import pytest

from tests.trainer.processes import SMALL, gantrain, interrupted
from tests.trainer.states import assert_identical, last_state

TRAINING = ["digits-gn", "--steps", "42", "--out", "training", "--no-probes", *SMALL]
LAST = 42


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("uninterrupted")
    done = gantrain(home, *TRAINING)
    assert done.returncode == 0, done.stderr
    return home / "training" / "checkpoints"


def attempt_of(home: Path) -> int:
    run = json.loads((home / "training" / "run.json").read_text())["run"]
    attempt: int = json.loads((home / "runs" / run / "rank-0.json").read_text())["attempt"]
    return attempt


def assert_same_end(home: Path, uninterrupted: Path) -> None:
    step, state = last_state(home / "training" / "checkpoints")
    assert step == LAST
    assert_identical(state, last_state(uninterrupted)[1])
    assert json.loads((home / "training" / "run.json").read_text())["ended_at"] == LAST


def test_a_killed_training_goes_on_bit_for_bit_as_a_new_attempt_of_the_same_run(
    tmp_path: Path, uninterrupted: Path
) -> None:
    status, _ = interrupted(tmp_path, "epoch=3", signal.SIGKILL, *TRAINING)
    assert status == -signal.SIGKILL
    record = json.loads((tmp_path / "training" / "run.json").read_text())
    assert record["ended_at"] is None
    assert last_state(tmp_path / "training" / "checkpoints")[0] < LAST

    resumed = gantrain(tmp_path, "resume", "training")
    assert resumed.returncode == 0, resumed.stderr
    assert record["run"] in resumed.stderr
    assert_same_end(tmp_path, uninterrupted)
    assert attempt_of(tmp_path) == 1


@pytest.mark.slow
def test_a_killed_training_whose_newest_checkpoint_is_torn_goes_on_from_the_one_before(
    tmp_path: Path, uninterrupted: Path
) -> None:
    interrupted(tmp_path, "epoch=4", signal.SIGKILL, *TRAINING)
    newest = max((tmp_path / "training" / "checkpoints").glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:5000])
    resumed = gantrain(tmp_path, *TRAINING, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert f"{newest.name} is damaged" in resumed.stderr
    assert_same_end(tmp_path, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_terminated_training_writes_a_checkpoint_first_and_ends_cleanly(
    number: signal.Signals, tmp_path: Path, uninterrupted: Path
) -> None:
    status, printed = interrupted(tmp_path, "epoch=2", number, *TRAINING)
    assert status == 0, printed
    step, _ = last_state(tmp_path / "training" / "checkpoints")
    assert f"stopped by {number.name} at step {step}; go on with: gantrain resume training" in printed
    assert json.loads((tmp_path / "training" / "run.json").read_text())["ended_at"] == step

    resumed = gantrain(tmp_path, "resume", "training")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_end(tmp_path, uninterrupted)
    assert attempt_of(tmp_path) == 0


@pytest.mark.slow
def test_a_training_killed_before_its_first_checkpoint_begins_again_as_the_same_run(
    tmp_path: Path, uninterrupted: Path
) -> None:
    never = [*TRAINING, "--checkpoints.every", "100"]
    interrupted(tmp_path, "epoch=1", signal.SIGKILL, *never)
    assert not (tmp_path / "training" / "checkpoints").exists()
    resumed = gantrain(tmp_path, *never, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_end(tmp_path, uninterrupted)
    assert attempt_of(tmp_path) == 1
