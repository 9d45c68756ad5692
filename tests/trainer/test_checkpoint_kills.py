"""A process that does nothing but write checkpoints is killed in the middle, again and again."""

import multiprocessing
import random
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from trainer.checkpoint import CheckpointDirectory
from trainer.config import Checkpoints
from trainer.recipes import RECIPES
from trainer.schedule import Schedule

CONFIG = replace(RECIPES["digits-gn"](), checkpoints=Checkpoints(keep=2))


class Weights:
    """A megabyte that says which step it belongs to."""

    def __init__(self, step: int) -> None:
        self.value = torch.full((250_000,), float(step))

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.value = state["value"]


def write_for_ever(directory: Path, first: int, written: Connection) -> None:
    checkpoints, step = CheckpointDirectory(directory), first
    while True:
        checkpoints.save(step, CONFIG, {"weights": Weights(step)}, Schedule(CONFIG, images=1000))
        written.send(step)
        step += 1


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_last_checkpoint_that_was_written_whole(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    moments = random.Random(0)
    last = 0
    for _ in range(25):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=write_for_ever, args=(tmp_path, last + 1, sender))
        process.start()
        sender.close()
        for _ in range(moments.randrange(1, 4)):
            last = receiver.recv()
        receiver.poll(moments.uniform(0, 0.02))
        process.kill()
        process.join()
        with suppress(EOFError):
            while True:
                last = receiver.recv()

        checkpoint = CheckpointDirectory(tmp_path).newest()
        assert checkpoint is not None
        assert checkpoint.step in {last, last + 1}  # the next one may have landed before it could say so
        weights = Weights(0)
        checkpoint.restore({"weights": weights})
        assert weights.value.eq(checkpoint.step).all()
        last = checkpoint.step
    assert (
        len(list(tmp_path.iterdir())) <= CONFIG.checkpoints.keep + 2
    )  # and one that was killed before it could tidy up
