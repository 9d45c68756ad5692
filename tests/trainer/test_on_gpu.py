"""The loop on a GPU: no step may wait for the device."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.recording import RecordingRun
from trainer.checkpoint import CheckpointDirectory
from trainer.config import Consistency, LearningRate, Penalty, SampleDifferences
from trainer.data import Shuffled, load
from trainer.loop import train
from trainer.recipes import RECIPES
from trainer.stopping import Stopping
from trainer.watching import probes

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


class Unwaiting(RecordingRun):
    """From the second step to the first mark, whatever waits for the device is an error."""

    def log(self, values: Mapping[str, Any], *, step: int, mark: int | None = None) -> None:
        del values, mark
        if step == 2:
            torch.cuda.set_sync_debug_mode("error")

    def log_distribution(self, name: str, values: Any, *, step: int) -> None: ...

    def mark(self, **facts: Any) -> int:
        torch.cuda.set_sync_debug_mode("default")
        return super().mark(**facts)


ADDED: dict[str, Any] = {
    "penalty": Penalty(kind="dragan", noise="uniform", every=2),
    "consistency": Consistency(weight=5.0),
    "sample_differences": SampleDifferences(weight=0.01, start=0),
    "lr": LearningRate(decay="linear"),
}


@pytest.mark.parametrize("added", [{}, ADDED], ids=["plain", "with everything added"])
@pytest.mark.parametrize("recipe", ["digits-lsgan", "digits-gn"])
def test_no_step_waits_for_the_device(recipe: str, added: dict[str, Any], tmp_path: Path) -> None:
    base = RECIPES[recipe]()
    settings = replace(base, epochs=3, batch=replace(base.batch, d=16), **added)
    run = Unwaiting()
    try:
        outcome = train(
            settings,
            load(settings),
            run,
            watch_with=probes,
            checkpoints=CheckpointDirectory(tmp_path),
            stopping=Stopping(run),
            device=torch.device("cuda"),
            quiet=True,
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert outcome.epoch == 3


@pytest.mark.parametrize("place", ["host", "device"])
@pytest.mark.parametrize("mirror", [False, True])
def test_batches_come_without_being_waited_for_and_are_those_of_a_cpu(place: str, mirror: bool) -> None:
    images = torch.arange(400, dtype=torch.uint8).reshape(200, 1, 1, 2)
    labels = torch.arange(200)
    streams = [
        Shuffled(images, 64, 0, torch.device(device), labels=labels, mirror=mirror)
        for device in ("cpu", "cuda")
    ]
    here = [streams[0].draw_labelled() for _ in range(10)]
    if place == "host":
        streams[1].images, streams[1].labels = images, labels
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = [streams[1].draw_labelled() for _ in range(10)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for (pixels, named), (pixels_there, named_there) in zip(here, there, strict=True):
        assert named is not None
        assert named_there is not None
        assert torch.equal(pixels, pixels_there.cpu())
        assert torch.equal(named, named_there.cpu())


def test_a_checkpoint_goes_on_although_another_batch_was_already_on_its_way() -> None:
    images = torch.arange(200, dtype=torch.uint8).reshape(200, 1, 1, 1)
    stream = Shuffled(images, 16, 0, torch.device("cuda"))
    stream.images = images
    state = stream.state_dict()
    first = stream.draw_labelled()[0].cpu()
    stream.draw_labelled()
    stream.load_state_dict(state)
    assert torch.equal(stream.draw_labelled()[0].cpu(), first)
