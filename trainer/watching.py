"""What the loop expects of whoever watches it, and the watch that sees nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from trainer.config import Config
from trainer.critics import Critic
from trainer.data import ImageSet


@dataclass(frozen=True)
class Subject:
    """What there is to be watched."""

    config: Config
    G: nn.Module
    D: nn.Module
    #: The generator that is sampled and judged.
    G_ema: nn.Module
    critic: Critic
    images: ImageSet
    device: torch.device


class Watch(Protocol):
    def step(self, step: int, values: Mapping[str, Tensor], *, real: Tensor, fake: Tensor) -> None:
        """After every generator step, with the last batches."""

    def epoch(
        self, step: int, values: Mapping[str, float | Tensor], *, epoch: int, images_seen: int
    ) -> Mapping[str, float]:
        """At an evaluation mark. Returns what a progress bar may show."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


WatchFactory = Callable[[Subject], Watch]


class Unwatched:
    """Trains without any measurement."""

    def __init__(self, subject: Subject) -> None:
        del subject

    def step(self, step: int, values: Mapping[str, Tensor], *, real: Tensor, fake: Tensor) -> None:
        pass

    def epoch(
        self, step: int, values: Mapping[str, float | Tensor], *, epoch: int, images_seen: int
    ) -> Mapping[str, float]:
        del step, values, epoch, images_seen
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        pass
