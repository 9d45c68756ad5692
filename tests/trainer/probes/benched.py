"""Judges that can be imported by the process that judges beside training."""

import os
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from trainer.probes.judges import Scores


class Quadrants:
    """A judge without weights: the brightest quarter of an image is its mode, its light its quality."""

    name = "quadrants"
    gives_quality = True
    m: int | None = 4
    help = "Judged by quarters."

    def score(self, images: Tensor) -> Scores:
        if images.shape[-2:] != (4, 4):
            raise ValueError(f"quadrants judges images of 4x4, not {list(images.shape)}")
        torch.rand(3)  # a careless judge
        print("as careless as others")  # noqa: T201
        brightness = nn.functional.avg_pool2d(images.mean(1, keepdim=True), 2).flatten(1)
        best, mode = brightness.max(dim=1)
        return Scores((best + 1) / 2, torch.where(best.isnan(), -1, mode))


class Held(Quadrants):
    """Judges two rehearsals and the real images at once, and what follows only while a file is there."""

    def __init__(self, gate: Path) -> None:
        self.gate = gate
        self.calls = 0

    def score(self, images: Tensor) -> Scores:
        self.calls += 1
        while self.calls > 3 and not self.gate.exists():
            time.sleep(0.01)
        return super().score(images)


class Doomed(Quadrants):
    """Takes its process with it, at its first real work."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        self.calls = 0

    def score(self, images: Tensor) -> Scores:
        self.calls += 1
        if self.calls > 3:
            os._exit(self.exit_code)
        return super().score(images)


class Wasteful(Quadrants):
    """Runs out of memory, at its first real work."""

    calls = 0

    def score(self, images: Tensor) -> Scores:
        self.calls += 1
        if self.calls > 3:
            raise RuntimeError("out of memory")
        return super().score(images)


class Unwilling(Quadrants):
    """Takes no images of the size there is."""

    def score(self, images: Tensor) -> Scores:
        return super().score(images[:, :, 1:])


def make_two() -> list[Quadrants]:
    class Second(Quadrants):
        name = "second"

    return [Quadrants(), Second()]


def make_none() -> Quadrants:
    raise FileNotFoundError("no weights: put them into /models")
