"""The loop on a GPU: no step may wait for the device."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.recording import RecordingRun
from trainer.checkpoint import CheckpointDirectory
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


@pytest.mark.parametrize("recipe", ["digits-lsgan", "digits-gn"])
def test_no_step_waits_for_the_device(recipe: str, tmp_path: Path) -> None:
    settings = replace(RECIPES[recipe](), epochs=3, batch=replace(RECIPES[recipe]().batch, d=16))
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


def test_images_that_stay_on_the_host_cross_without_being_waited_for() -> None:
    images = torch.arange(200, dtype=torch.uint8).reshape(200, 1, 1, 1)
    stream = Shuffled(images, 64, seed=0, device=torch.device("cuda"))
    on_host = Shuffled(images, 64, seed=0, device=torch.device("cpu"))
    here = [on_host.draw() for _ in range(10)]
    stream.images = images
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = [stream.draw() for _ in range(10)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.equal(a, b.cpu()) for a, b in zip(here, there, strict=True))
