"""What is minimized: the loss, and what is added to it."""

from dataclasses import dataclass
from typing import Final, Literal

from trainer.config.validation import require

LossName = Literal["ns", "ls", "hinge", "soft-hinge", "wasserstein"]
PenaltyName = Literal["none", "gp", "0-gp", "lp", "dragan", "r1"]
Points = Literal["interpolated", "real", "fake", "perturbed", "both"]
Noise = Literal["gaussian", "uniform"]

#: Where its paper takes a penalty.
USUAL_POINTS: Final[dict[PenaltyName, Points]] = {
    "none": "interpolated",
    "gp": "interpolated",
    "0-gp": "interpolated",
    "lp": "interpolated",
    "dragan": "perturbed",
    "r1": "real",
}
#: Penalties that pull the norm of the gradient to ``target`` and not to 0.
TARGETED: Final[frozenset[PenaltyName]] = frozenset({"gp", "lp", "dragan"})


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """On the critic's gradient by the image, added to the discriminator's loss."""

    kind: PenaltyName = "none"
    #: What its paper calls lambda.
    weight: float = 10.0
    #: Where the gradient is taken (default: where the paper takes it). ``both``: real and fake.
    at: Points | None = None
    #: Of ``perturbed`` points: x + N(0, scale^2), or x + scale * std(batch) * U(0, 1).
    noise: Noise = "gaussian"
    scale: float = 0.5
    #: The norm that gp, lp and dragan ask for.
    target: float = 1.0
    #: Lazily: at each so many discriminator steps, then so many times as strong.
    every: int = 1

    @property
    def points(self) -> Points:
        return USUAL_POINTS[self.kind] if self.at is None else self.at

    def __post_init__(self) -> None:
        require(0 < self.weight < 1e6, f"penalty.weight = {self.weight} must lie between 0 and 1e6")
        require(0 < self.scale < 1e3, f"penalty.scale = {self.scale} must lie between 0 and 1000")
        require(0 < self.target < 1e6, f"penalty.target = {self.target} must lie between 0 and 1e6")
        require(self.every > 0, f"penalty.every = {self.every} must be positive")
        require(
            self.kind in TARGETED or self.target == 1.0,
            f"penalty.target = {self.target}: only {', '.join(sorted(TARGETED))} pull the norm of the "
            "gradient to a target, leave it at 1",
        )
        for name in ("noise", "scale"):
            given, default = getattr(self, name), getattr(Penalty, name)
            require(
                self.points == "perturbed" or given == default,
                f"penalty.{name} = {given}: only perturbed points have noise, leave it at {default} or set "
                "penalty.at to perturbed",
            )


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Consistency regularization: a real image and its flipped and shifted self are to score alike."""

    #: 0: off. The papers have 5.
    weight: float = 0.0
    #: By at most this part of the size, in either direction; what comes in is black.
    shift: float = 0.2
    #: Probability of a horizontal flip.
    flip: float = 0.5

    def __post_init__(self) -> None:
        require(0 <= self.weight < 1e6, f"consistency.weight = {self.weight} must lie in [0, 1e6)")
        require(0 <= self.shift < 1, f"consistency.shift = {self.shift} must lie in [0, 1)")
        require(0 <= self.flip <= 1, f"consistency.flip = {self.flip} must lie in [0, 1]")
        require(
            self.weight == 0 or self.shift > 0 or self.flip > 0,
            f"consistency.weight = {self.weight} compares an image with itself while consistency.shift and "
            "consistency.flip are 0: set one of them, or the weight to 0",
        )


@dataclass(frozen=True, kw_only=True)
class SampleDifferences:
    """Sample differences penalization: the best generated images are to differ little from their nearest real
    ones, for both networks.
    """

    #: 0: off. The paper has 0.01.
    weight: float = 0.0
    #: From this step on.
    start: int = 3000
    #: So many images at first, and one more every ``grow_every`` steps.
    k: int = 5
    grow_every: int = 5000
    #: What the features are divided by: their squared norm, as the paper prints it, or their norm.
    normalize: Literal["squared", "norm"] = "squared"

    def __post_init__(self) -> None:
        require(0 <= self.weight < 1e6, f"sample-differences.weight = {self.weight} must lie in [0, 1e6)")
        require(self.start >= 0, f"sample-differences.start = {self.start} must not be negative")
        require(self.k > 0, f"sample-differences.k = {self.k} must be positive")
        require(self.grow_every > 0, f"sample-differences.grow-every = {self.grow_every} must be positive")
