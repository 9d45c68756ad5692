"""What does not change what is trained: how fast it runs, how it is judged, when it is saved."""

from dataclasses import dataclass
from typing import Literal

from trainer.config.validation import require

Metric = Literal["inception-score", "fid", "kid", "precision-recall"]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a GPU can do faster, at other roundings."""

    #: bf16: mixed precision; the norms of gradients stay in float32.
    precision: Literal["float32", "bf16"] = "float32"
    compile: bool = False
    channels_last: bool = False
    cuda_graphs: bool = False


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Generated images against real ones, through a pretrained network."""

    #: Epochs between two measurements; 0: never.
    every: int = 0
    #: Generated images of a measurement.
    samples: int = 50_000
    metrics: tuple[Metric, ...] = ("inception-score", "fid")

    def __post_init__(self) -> None:
        require(self.every >= 0, f"fidelity.every = {self.every} epochs must not be negative")
        require(self.samples >= 2, f"fidelity.samples = {self.samples} must be at least 2")
        require(
            len(set(self.metrics)) == len(self.metrics) > 0,
            f"fidelity.metrics = {' '.join(self.metrics) or 'none'}: name each once, and at least one",
        )


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """How often a checkpoint is written and how many stay. One is always written when training ends or is
    stopped.
    """

    every: int = 10
    keep: int = 3

    def __post_init__(self) -> None:
        require(self.every > 0, f"checkpoints.every = {self.every} epochs must be positive")
        require(self.keep > 0, f"checkpoints.keep = {self.keep} must be positive")
