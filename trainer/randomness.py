"""Where training draws its random numbers from, each source with a state that a checkpoint can hold.

Latents have a generator of their own. Networks are initialized under a seed of their own, with the process's
generators left as they were. The process-wide generators are checkpointed all the same, for parts that draw
from them.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from trainer.config import Config
from trainer.errors import CheckpointError

#: What the seed is derived by where a training goes back.
AGAIN: Final = (0, 6)


class Latents:
    """z ~ N(0, I) and, with ``classes``, labels to generate, drawn on the device.

    Each of several ``ranks`` draws what all need and takes its part, so that together they see what one
    process with all their batches sees, and one state stands for all.
    """

    def __init__(
        self, z_dim: int, seed: int, device: torch.device, *, classes: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        self.z_dim = z_dim
        self.classes = classes
        self.rank = rank
        self.ranks = ranks
        self.generator = torch.Generator(device).manual_seed(seed)

    def draw(self, n: int) -> Tensor:
        """float32 [n, z_dim]"""
        z = torch.randn(n * self.ranks, self.z_dim, generator=self.generator, device=self.generator.device)
        return z[self.rank * n : (self.rank + 1) * n]

    def draw_labelled(self, n: int) -> tuple[Tensor, Tensor | None]:
        """The next latents, and as many labels, int64 [n], where there are classes."""
        z = self.draw(n)
        if not self.classes:
            return z, None
        labels = torch.randint(
            self.classes, (n * self.ranks,), generator=self.generator, device=self.generator.device
        )
        return z, labels[self.rank * n : (self.rank + 1) * n]

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        set_state(self.generator, state["generator"])


class Draws:
    """Random numbers for the samples of a batch, drawn on the device.

    As with ``Latents``, each of several ``ranks`` draws what all need and takes its part.
    """

    def __init__(self, seed: int, device: torch.device, *, rank: int = 0, ranks: int = 1) -> None:
        self.rank = rank
        self.ranks = ranks
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, n: int, *shape: int) -> Tensor:
        """In [0, 1): float32 [n, *shape]."""
        return self._part(torch.rand, n, shape)

    def normal(self, n: int, *shape: int) -> Tensor:
        """N(0, 1): float32 [n, *shape]."""
        return self._part(torch.randn, n, shape)

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        set_state(self.generator, state["generator"])

    def _part(self, draw: Callable[..., Tensor], n: int, shape: tuple[int, ...]) -> Tensor:
        whole = draw(n * self.ranks, *shape, generator=self.generator, device=self.generator.device)
        return whole[self.rank * n : (self.rank + 1) * n]


def set_state(generator: torch.Generator, state: Tensor) -> None:
    """Goes on with random numbers; those of a CPU and of a GPU have nothing in common."""
    try:
        generator.set_state(state)
    except RuntimeError as problem:
        here = generator.device.type
        there = "cpu" if here == "cuda" else "cuda"
        raise CheckpointError(
            "the checkpoint was written on another kind of device, and its random numbers cannot be "
            f"continued on {here}: pass --device {there}, or begin another training"
        ) from problem


def derived(seed: int, *purpose: int) -> int:
    """A seed of its own: what is drawn from it has nothing in common with what is drawn from ``seed``."""
    state = np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def seed_of_draws(config: Config) -> int:
    """What latents, batches and penalties are drawn from: the seed, and after going back another one each
    time, or what went wrong would go wrong again, number by number.
    """
    return derived(config.seed, *AGAIN, config.rollbacks) if config.rollbacks else config.seed


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """What is drawn inside from torch's global generator follows from ``seed``; afterwards it is as it was
    before.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


class ProcessGenerators:
    """The global generators of torch (every device), numpy and Python."""

    def state_dict(self) -> dict[str, Any]:
        kind, key, position, has_gauss, gauss = np.random.get_state(legacy=True)
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": (kind, torch.from_numpy(np.asarray(key).astype(np.int64)), position, has_gauss, gauss),
            "python": random.getstate(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch.set_rng_state(state["torch"])
        # A run may go on where there are fewer devices, or none.
        if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])
        kind, key, position, has_gauss, gauss = state["numpy"]
        np.random.set_state((kind, key.numpy().astype(np.uint32), position, has_gauss, gauss))
        random.setstate(state["python"])
