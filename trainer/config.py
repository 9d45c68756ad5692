"""What a training is made of, as frozen and validated dataclasses.

A recipe (``recipes.py``) returns a ``Config``; the command line overrides its fields; the resolved ``Config``
is stored with the run and in every checkpoint. Nothing reads a setting from anywhere else.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import tyro

from trainer.errors import ConfigError

Architecture = Literal["small", "dcgan"]
LossName = Literal["ns", "ls", "hinge"]
CriticName = Literal["raw", "gn"]
Normalization = Literal["none", "batch"]
Initialization = Literal["torch", "normal"]


#: Every architecture halves its images a number of times: their size must be a multiple of this.
SIZES: Final[dict[Architecture, int]] = {"small": 4, "dcgan": 16}


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class LearningRate:
    """Adam's learning rate of each network."""

    g: float = 2e-4
    d: float = 2e-4

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
        require(self.eps > 0, f"adam.eps = {self.eps} must be positive")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Latents of a generator step; real images, and as many latents, of a discriminator step."""

    g: int = 64
    d: int = 64

    def __post_init__(self) -> None:
        require(self.g > 0, f"batch.g = {self.g} must be positive")
        require(self.d > 0, f"batch.d = {self.d} must be positive")


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which generator and discriminator, and how wide."""

    architecture: Architecture = "small"
    z_dim: int = 128
    #: Channels of the generator's and the discriminator's layer nearest to the image.
    width_g: int = 32
    width_d: int = 32
    norm_g: Normalization = "batch"
    norm_d: Normalization = "none"
    #: ``normal``: weights N(0, 0.02), biases 0, as DCGAN has it. ``torch``: the framework's own.
    init: Initialization = "normal"

    def __post_init__(self) -> None:
        require(self.z_dim > 0, f"network.z-dim = {self.z_dim} must be positive")
        require(self.width_g > 0, f"network.width-g = {self.width_g} must be positive")
        require(self.width_d > 0, f"network.width-d = {self.width_d} must be positive")


@dataclass(frozen=True, kw_only=True)
class Ema:
    """The generator that is sampled and judged: a moving average of ``G``; with ``decay`` 0, ``G`` itself."""

    decay: float = 0.0
    #: Until this step the average is a plain copy.
    start: int = 0

    def __post_init__(self) -> None:
        require(0 <= self.decay < 1, f"ema.decay = {self.decay} must lie in [0, 1)")
        require(self.start >= 0, f"ema.start = {self.start} must not be negative")


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


@dataclass(frozen=True, kw_only=True)
class Config:
    """One training, complete: two runs of one ``Config`` on one CPU end in identical weights."""

    recipe: tyro.conf.Suppress[str]
    #: ``digits`` (built in), or ``images``: what lies at ``data``.
    dataset: Literal["digits", "images"] = "digits"
    #: A folder of images (searched through), or a packed ``.npz``.
    data: Path | None = None
    #: Height and width in pixels.
    size: int = 8
    channels: Literal[1, 3] = 1
    network: Network = field(default_factory=Network)
    #: What stands between the discriminator and the loss: nothing, or gradient normalization.
    critic: CriticName = "raw"
    #: Non-saturating, least squares, or hinge.
    loss: LossName = "ns"
    lr: LearningRate = field(default_factory=LearningRate)
    adam: Adam = field(default_factory=Adam)
    batch: Batch = field(default_factory=Batch)
    #: Discriminator steps for each generator step.
    n_dis: int = 1
    #: Training ends after so many passes over the data or so many generator steps, whichever comes first.
    epochs: int | None = None
    steps: int | None = None
    ema: Ema = field(default_factory=Ema)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    seed: int = 0
    #: Deterministic algorithms on a GPU as well, where they cost speed. A CPU is always exact.
    deterministic: bool = False

    def __post_init__(self) -> None:
        require(self.recipe != "", "recipe must have a name")
        require(self.size >= 8, f"size = {self.size} must be at least 8 pixels")
        multiple = SIZES[self.network.architecture]
        require(
            self.size % multiple == 0,
            f"size = {self.size}: {self.network.architecture} networks need a multiple of {multiple}",
        )
        require(self.n_dis > 0, f"n-dis = {self.n_dis} must be positive")
        require(
            self.epochs is not None or self.steps is not None, "set epochs or steps: when does training end?"
        )
        require(self.epochs is None or self.epochs > 0, f"epochs = {self.epochs} must be positive")
        require(self.steps is None or self.steps > 0, f"steps = {self.steps} must be positive")
        require(0 <= self.seed < 2**63, f"seed = {self.seed} must lie between 0 and 2^63 - 1")
        require(
            self.critic == "raw" or self.network.norm_d == "none",
            f"critic = {self.critic} takes the gradient of every sample, and batch norm in the discriminator "
            "mixes samples: set network.norm-d to none",
        )
        if self.dataset == "digits":
            require(
                self.data is None,
                f"data = {self.data}: the digits are built in; add --dataset images to train on it",
            )
            require(self.channels == 1, f"channels = {self.channels}: the digits are grey, set channels to 1")
            require(self.size == 8, f"size = {self.size}: the digits are 8 pixels wide, set size to 8")


def to_dict(config: Config) -> dict[str, Any]:
    """As plain numbers, strings and dictionaries: what is stored with the run and in checkpoints."""
    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=str)
    return plain


def from_dict(stored: dict[str, Any]) -> Config:
    """The inverse of ``to_dict``. An unknown key and a value of the wrong type are errors that name it."""
    try:
        config = msgspec.convert(stored, Config, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as problem:
        raise ConfigError(str(problem)) from problem
    unknown = sorted(_unknown(stored, to_dict(config)))
    require(not unknown, f"unknown setting: {', '.join(unknown)}")
    return config


def _unknown(given: dict[str, Any], known: dict[str, Any], prefix: str = "") -> list[str]:
    names = [prefix + key for key in given if key not in known]
    for key, value in known.items():
        if isinstance(value, dict) and key in given:
            names += _unknown(given[key], value, f"{prefix}{key}.")
    return names
