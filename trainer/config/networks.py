"""Which networks are trained, and what stands between the discriminator and the loss."""

from dataclasses import dataclass
from typing import Final, Literal

from trainer.config.validation import require

Architecture = Literal["small", "dcgan", "cnn", "resnet", "gran", "biggan", "autogan"]
Normalization = Literal["none", "batch"]
Initialization = Literal["torch", "normal", "dcgan", "kaiming", "xavier", "xavier-residual", "orthogonal"]
Pooling = Literal["mean", "sum"]
Activation = Literal["relu", "leaky-relu", "elu", "softplus"]
CriticName = Literal["raw", "sn", "gn", "gn0", "gn1", "pgn", "pgn-code", "gran"]

#: Every architecture halves its images a number of times: their size must be a multiple of this.
SIZES: Final[dict[Architecture, int]] = {
    "small": 4,
    "dcgan": 16,
    "cnn": 8,
    "resnet": 16,
    "gran": 16,
    "biggan": 16,
    "autogan": 16,
}
#: Those whose discriminator has blocks with shortcuts, and pools over all pixels at its end.
RESIDUAL: Final[frozenset[Architecture]] = frozenset({"resnet", "gran", "biggan", "autogan"})
#: Those that take labels, and cannot do without.
CONDITIONAL: Final[frozenset[Architecture]] = frozenset({"biggan"})
#: Critics that take the gradient of every sample by itself.
GRADIENT_NORMALIZED: Final[frozenset[CriticName]] = frozenset({"gn", "gn0", "gn1", "pgn", "pgn-code", "gran"})
#: Critics whose Lipschitz constant is 1/tau.
SCALED: Final[frozenset[CriticName]] = frozenset({"gran", "sn"})


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
    #: Weights N(0, 0.02) (``normal``; ``dcgan``: batch norm's gains N(1, 0.02) too), Kaiming normal, Xavier
    #: uniform (``xavier-residual``: with gain sqrt(2) in residual branches), orthogonal; biases 0. ``torch``:
    #: the framework's own.
    init: Initialization = "normal"
    #: Over all pixels, at the end of a residual discriminator.
    pool_d: Pooling = "mean"
    activation_d: Activation = "leaky-relu"
    #: Slope of leaky ReLU below 0.
    slope: float = 0.2
    #: Sharpness of softplus: the greater, the nearer to ReLU.
    beta: float = 1.0
    #: Classes of a conditional architecture; 0: unconditional.
    classes: int = 0

    def __post_init__(self) -> None:
        require(self.z_dim > 0, f"network.z-dim = {self.z_dim} must be positive")
        require(self.width_g > 0, f"network.width-g = {self.width_g} must be positive")
        require(self.width_d > 0, f"network.width-d = {self.width_d} must be positive")
        require(0 <= self.slope < 1, f"network.slope = {self.slope} must lie in [0, 1)")
        require(0 < self.beta < 1e6, f"network.beta = {self.beta} must lie between 0 and 1e6")
        require(
            self.architecture not in RESIDUAL or self.norm_d == "none",
            f"network.norm-d = {self.norm_d}: the discriminator of {self.architecture} networks has no "
            "norm, set it to none",
        )
        require(
            self.architecture in RESIDUAL or self.pool_d == "mean",
            f"network.pool-d = {self.pool_d}: only {', '.join(sorted(RESIDUAL))} networks pool over all "
            "pixels, leave it at mean",
        )
        if self.architecture in CONDITIONAL:
            require(
                self.norm_g == "batch",
                f"network.norm-g = {self.norm_g}: {self.architecture} networks learn classes through it, set "
                "it to batch",
            )
            require(
                self.classes >= 2,
                f"network.classes = {self.classes}: {self.architecture} networks are conditional, set it to "
                "the number of classes of the data",
            )
        else:
            require(
                self.classes == 0,
                f"network.classes = {self.classes}: {self.architecture} networks take no labels, set it to "
                f"0 or choose one of {', '.join(sorted(CONDITIONAL))}",
            )


@dataclass(frozen=True, kw_only=True)
class Critic:
    """What stands between the discriminator and the loss: nothing (``raw``), spectral normalization (``sn``),
    gradient normalization (``gn``, its ablations ``gn0`` and ``gn1``), penalty gradient normalization
    (``pgn``; ``pgn-code`` as its code has it), or piecewise gradient normalization (``gran``).
    """

    kind: CriticName = "raw"
    #: GraN and SN: the Lipschitz constant is K = 1 / tau.
    tau: float = 1.0
    #: GraN: added to the squared gradient norm, and to be far below it.
    epsilon: float = 1e-8
    #: SN: iterations a discriminator step.
    power_iterations: int = 1

    def __post_init__(self) -> None:
        require(0 < self.tau < 1e6, f"critic.tau = {self.tau} must lie between 0 and 1e6")
        require(0 <= self.epsilon < 1, f"critic.epsilon = {self.epsilon} must lie in [0, 1)")
        require(
            self.power_iterations > 0, f"critic.power-iterations = {self.power_iterations} must be positive"
        )
        require(
            self.kind in SCALED or self.tau == 1.0,
            f"critic.tau = {self.tau}: only the critics gran and sn have one, leave it at 1",
        )
        require(
            self.kind == "gran" or self.epsilon == Critic.epsilon,
            f"critic.epsilon = {self.epsilon}: only the critic gran has one, leave it at {Critic.epsilon}",
        )
        require(
            self.kind == "sn" or self.power_iterations == 1,
            f"critic.power-iterations = {self.power_iterations}: only the critic sn has any, leave it at 1",
        )
