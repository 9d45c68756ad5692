import logging
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainer import checkpoint as checkpoints_of_today
from trainer.checkpoint import Checkpoint, CheckpointDirectory, Stateful, read
from trainer.config import Adam, Checkpoints, Config
from trainer.errors import CheckpointError, DamagedCheckpointError, UnsavedError
from trainer.optimizer import ResumableAdam
from trainer.randomness import Draws, Latents, ProcessGenerators
from trainer.recipes import RECIPES
from trainer.schedule import Schedule


class Part:
    def __init__(self, value: Any) -> None:
        self.value = value

    def state_dict(self) -> Any:
        return {"value": self.value}

    def load_state_dict(self, state: Any) -> None:
        self.value = state["value"]


def config(keep: int = 3) -> Config:
    return replace(RECIPES["digits-gn"](), checkpoints=Checkpoints(keep=keep))


def saved(directory: Path, *steps: int, keep: int = 3) -> CheckpointDirectory:
    checkpoints = CheckpointDirectory(directory)
    for step in steps:
        save(checkpoints, step, {"part": Part(torch.full((1000,), step))}, keep=keep)
    return checkpoints


def save(checkpoints: CheckpointDirectory, step: int, parts: Mapping[str, Stateful], keep: int = 3) -> Path:
    return checkpoints.save(step, config(keep), parts, Schedule(config(keep), images=1000))


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    parts: dict[str, Stateful] = {"a": Part(torch.arange(5)), "b": Part({"x": (1, 2.5, "three", None)})}
    save(CheckpointDirectory(tmp_path), 7, parts)
    checkpoint = CheckpointDirectory(tmp_path).newest()
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.config) == (7, config())
    a, b = Part(None), Part(None)
    checkpoint.restore({"a": a, "b": b})
    assert a.value.tolist() == [0, 1, 2, 3, 4]
    assert b.value == {"x": (1, 2.5, "three", None)}


def test_a_checkpoint_of_another_version_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(checkpoints_of_today, "FORMAT", 1)
        saved(tmp_path, 10)
    with pytest.raises(
        CheckpointError, match=r"another version \(its format is 1, this version reads 2\): go on"
    ):
        CheckpointDirectory(tmp_path).newest()


def test_the_newest_stay_and_older_ones_go(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10, 20, 30, 40, 1_000_000_000, keep=2)
    assert [path.name.split(".")[0] for path in checkpoints.newest_first()] == [
        "step-1000000000",
        "step-000000040",
    ]
    assert len(list(tmp_path.iterdir())) == 2


def test_where_nothing_was_saved_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert CheckpointDirectory(tmp_path / "nowhere").newest() is None


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: content[:0],
    "cut in half": lambda content: content[: len(content) // 2],
    "last byte missing": lambda content: content[:-1],
    "one bit turned": lambda content: content[:900] + bytes([content[900] ^ 1]) + content[901:],
    "a page of zeros": lambda content: content[:4096] + bytes(4096) + content[8192:],
    "something else": lambda content: b"x" * len(content),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = saved(tmp_path, 10, 20, 30)
    newest = next(checkpoints.newest_first())
    newest.write_bytes(DAMAGES[damage](newest.read_bytes()))
    with caplog.at_level(logging.WARNING):
        checkpoint = checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.step == 20
    assert newest.name in caplog.text
    assert "damaged" in caplog.text


def test_a_damaged_checkpoint_does_not_push_out_good_ones(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10, 30, keep=2)
    next(checkpoints.newest_first()).write_bytes(b"")
    assert checkpoints.newest() is not None
    saved(tmp_path, 15, keep=1)
    checkpoint = checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.step == 15


def test_where_all_are_damaged_nothing_is_started_from_scratch_unasked(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10, 20)
    for path in checkpoints.newest_first():
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints"):
        checkpoints.newest()


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    class Failing:
        def state_dict(self) -> Any:
            return {"unwritable": Unwritable()}

        def load_state_dict(self, state: Any) -> None: ...

    class Unwritable:
        def __reduce__(self) -> Any:
            raise OSError(28, "No space left on device")

    checkpoints = saved(tmp_path, 10)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UnsavedError, match=r"no checkpoint of step 20 .*: No space left"):
        save(checkpoints, 20, {"part": Failing()})
    assert sorted(os.listdir(tmp_path)) == before


def test_a_partial_file_of_a_killed_process_is_never_read(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 10)
    (tmp_path / ".partial").write_bytes(b"torn")
    assert [path.name[:14] for path in checkpoints.newest_first()] == ["step-000000010"]


def test_no_code_is_loaded_from_a_checkpoint(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    checkpoints = CheckpointDirectory(tmp_path)
    path = save(checkpoints, 1, {"part": Part(Harmful())})
    with pytest.raises(CheckpointError, match="does not hold plain data"):
        read(path)
    assert not (tmp_path / "harm").exists()


def test_a_checkpoint_of_another_training_says_what_does_not_fit(tmp_path: Path) -> None:
    checkpoints = CheckpointDirectory(tmp_path)
    save(checkpoints, 1, {"G": torch.nn.Linear(2, 3)})
    checkpoint = checkpoints.newest()
    assert checkpoint is not None
    with pytest.raises(CheckpointError, match="G does not fit this configuration"):
        checkpoint.restore({"G": torch.nn.Linear(2, 4)})
    with pytest.raises(CheckpointError, match="other parts than this training has: D"):
        checkpoint.restore({"G": torch.nn.Linear(2, 3), "D": torch.nn.Linear(2, 3)})


def test_a_name_without_a_checksum_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "latest.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="not named like a checkpoint"):
        read(tmp_path / "latest.pt")


def test_reading_a_missing_file_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        read(tmp_path / "step-000000001.0123456789abcdef.pt")
    assert not isinstance(caught.value, DamagedCheckpointError)


def test_every_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    generators = ProcessGenerators()
    latents = Latents(4, seed=3, device=torch.device("cpu"))
    for _ in range(3):
        draw(latents)
    checkpoints = CheckpointDirectory(tmp_path)
    save(checkpoints, 1, {"process": generators, "latents": latents})
    expected = [draw(latents) for _ in range(3)]
    checkpoint = checkpoints.newest()
    assert checkpoint is not None
    checkpoint.restore({"process": generators, "latents": latents})
    assert [draw(latents) for _ in range(3)] == expected


def draw(latents: Latents) -> list[float]:
    return [
        torch.rand(()).item(),
        np.random.standard_normal(),
        random.gauss(),
        random.random(),
        *latents.draw(1).flatten().tolist(),
    ]


def test_the_configured_learning_rate_wins_over_the_checkpoints(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 1)
    optimizer = ResumableAdam(network, 1e-3, Adam(betas=(0.5, 0.9)))
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    other = ResumableAdam(network, 5e-4, Adam(betas=(0.0, 0.99)))
    other.load_state_dict(optimizer.state_dict())
    (group,) = other.param_groups
    assert (group["lr"], group["betas"]) == (5e-4, (0.0, 0.99))
    moments, expected = other.state_dict()["state"], optimizer.state_dict()["state"]
    assert torch.equal(moments[0]["exp_avg"], expected[0]["exp_avg"])


@pytest.mark.parametrize("source", [Latents(4, 3, torch.device("cpu")), Draws(3, torch.device("cpu"))])
def test_a_gpu_s_random_numbers_are_not_continued_on_a_cpu(source: Latents | Draws, tmp_path: Path) -> None:
    of_a_gpu = {"generator": torch.zeros(16, dtype=torch.uint8)}
    checkpoint = Checkpoint(10, config(), {"latents": of_a_gpu}, tmp_path)
    with pytest.raises(CheckpointError, match="another kind of device"):
        checkpoint.restore({"latents": source})
