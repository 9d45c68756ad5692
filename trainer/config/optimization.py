"""How the networks learn, and which generator is shown."""

from dataclasses import dataclass
from typing import Literal

from trainer.config.validation import require


@dataclass(frozen=True, kw_only=True)
class LearningRate:
    """Adam's learning rate of each network."""

    g: float = 2e-4
    d: float = 2e-4
    #: ``linear``: falls to 0 at the last step.
    decay: Literal["none", "linear"] = "none"

    def __post_init__(self) -> None:
        require(0 < self.g < 10, f"lr.g = {self.g} must lie between 0 and 10")
        require(0 < self.d < 10, f"lr.d = {self.d} must lie between 0 and 10")


@dataclass(frozen=True, kw_only=True)
class Adam:
    """The optimizer of both networks, as the papers have it."""

    betas: tuple[float, float] = (0.0, 0.9)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        # Adam takes 0 for an integer and refuses it beside a float.
        object.__setattr__(self, "betas", tuple(float(beta) for beta in self.betas))
        require(all(0 <= beta < 1 for beta in self.betas), f"adam.betas = {self.betas} must lie in [0, 1)")
        require(0 < self.eps < 1, f"adam.eps = {self.eps} must lie between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Latents of a generator step; real images, and as many latents, of a discriminator step."""

    g: int = 64
    d: int = 64
    #: Each batch goes through the networks in so many equal parts, one after the other, which saves memory.
    accumulate: int = 1

    def __post_init__(self) -> None:
        require(self.g > 0, f"batch.g = {self.g} must be positive")
        require(self.d > 0, f"batch.d = {self.d} must be positive")
        require(self.accumulate > 0, f"batch.accumulate = {self.accumulate} must be positive")
        for name, size in (("g", self.g), ("d", self.d)):
            require(
                size % self.accumulate == 0,
                f"batch.accumulate = {self.accumulate} must divide batch.{name} = {size} into equal parts",
            )


@dataclass(frozen=True, kw_only=True)
class Ema:
    """The generator that is sampled and judged: a moving average of ``G``; with ``decay`` 0, ``G`` itself."""

    decay: float = 0.0
    #: Until this step the average is a plain copy.
    start: int = 0

    def __post_init__(self) -> None:
        require(0 <= self.decay < 1, f"ema.decay = {self.decay} must lie in [0, 1)")
        require(self.start >= 0, f"ema.start = {self.start} must not be negative")
