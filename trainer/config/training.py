"""One training, complete, and which settings cannot go together."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import tyro

from trainer.config.networks import GRADIENT_NORMALIZED, SIZES, Critic, Network
from trainer.config.objectives import Consistency, LossName, Penalty, SampleDifferences
from trainer.config.optimization import Adam, Batch, Ema, LearningRate
from trainer.config.rescue import OnTurningPoint, Rescue, parts_of
from trainer.config.running import Checkpoints, Fidelity, Judges, Speed
from trainer.config.validation import require
from trainer.errors import ConfigError

Dataset = Literal[
    "digits",
    "images",
    "cifar10",
    "cifar100",
    "stl10",
    "celeba",
    "celeba-hq",
    "lsun-church",
    "lsun-bedroom",
    "tiny-imagenet",
]
#: Settings that are no options: nobody types them.
UNTYPED: Final = ("recipe", "rollbacks")
#: Data sets of faces.
FACES: Final[frozenset[Dataset]] = frozenset({"celeba", "celeba-hq"})
#: Classes of the data sets that have labels. What lies in ``images`` tells for itself.
CLASSES: Final[dict[Dataset, int]] = {"digits": 10, "cifar10": 10, "cifar100": 100, "tiny-imagenet": 200}


@dataclass(frozen=True, kw_only=True)
class Config:
    """One training, complete: two runs of one ``Config`` on one CPU end in identical weights."""

    recipe: tyro.conf.Suppress[str]
    #: ``digits`` are built in; ``images`` is what lies at ``data``; the others are found there too.
    dataset: Dataset = "digits"
    #: Where the data set lies; of ``images``: a folder (searched through), or a packed ``.npz``.
    data: Path | None = None
    #: Height and width in pixels.
    size: int = 8
    channels: Literal[1, 3] = 1
    #: Show every real image mirrored left to right with probability 1/2.
    mirror: bool = False
    network: Network = field(default_factory=Network)
    critic: Critic = field(default_factory=Critic)
    #: Non-saturating, least squares, hinge, soft hinge, or Wasserstein.
    loss: LossName = "ns"
    #: Wasserstein: after each step D's weights are cut to [-clip, clip]; 0: never.
    clip: float = 0.0
    penalty: Penalty = field(default_factory=Penalty)
    consistency: Consistency = field(default_factory=Consistency)
    sample_differences: SampleDifferences = field(default_factory=SampleDifferences)
    lr: LearningRate = field(default_factory=LearningRate)
    adam: Adam = field(default_factory=Adam)
    batch: Batch = field(default_factory=Batch)
    #: Discriminator steps for each generator step.
    n_dis: int = 1
    #: Training ends after so many passes over the data or so many generator steps, whichever comes first.
    epochs: int | None = None
    steps: int | None = None
    ema: Ema = field(default_factory=Ema)
    speed: Speed = field(default_factory=Speed)
    judges: Judges = field(default_factory=Judges)
    fidelity: Fidelity = field(default_factory=Fidelity)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    #: When the service has confirmed a turning point: only notify people; stop; go back to before it; or go
    #: back and go on with a remedy.
    on_turning_point: OnTurningPoint = "notify"
    rescue: Rescue = field(default_factory=Rescue)
    #: How often training went back to before a turning point. Each time other random numbers are drawn.
    rollbacks: tyro.conf.Suppress[int] = 0
    seed: int = 0
    #: Deterministic algorithms on a GPU as well, where they cost speed. A CPU is always exact.
    deterministic: bool = False

    def __post_init__(self) -> None:
        require(self.recipe != "", "recipe must have a name")
        self._check_length()
        self._check_images()
        self._check_labels()
        self._check_critic()
        self._check_judges()
        require(self.n_dis > 0, f"n-dis = {self.n_dis} must be positive")
        require(0 <= self.seed < 2**63, f"seed = {self.seed} must lie between 0 and 2^63 - 1")
        require(
            self.sample_differences.weight == 0 or self.batch.accumulate == 1,
            f"batch.accumulate = {self.batch.accumulate}: sample differences choose the best of the whole "
            "batch, set it to 1",
        )
        require(self.rollbacks >= 0, f"rollbacks = {self.rollbacks} must not be negative")
        if self.on_turning_point == "rescue" and self.remedies:
            self.rescued()  # and so one after another, down to the last

    @property
    def goes_back(self) -> bool:
        """Whether a turning point makes it go back, so that it keeps a checkpoint to go back to."""
        return self.on_turning_point in {"rollback", "rescue"}

    @property
    def remedies(self) -> tuple[str, ...]:
        """Those that were not taken yet, the next one first."""
        return self._order[self.rollbacks :]

    @property
    def remedy(self) -> str | None:
        """The one that was taken last."""
        taken = self._order[: self.rollbacks]
        return taken[-1] if taken else None

    @property
    def _order(self) -> tuple[str, ...]:
        return ("rollback",) if self.on_turning_point == "rollback" else self.rescue.remedies

    def rescued(self) -> "Config":
        """As it goes on after the next turning point: with the next remedy, and other random numbers."""
        remedy = self.remedies[0]
        settings: dict[str, Any] = {}
        for name in parts_of(remedy):
            match name:
                case "gn":
                    require(
                        self.critic.kind not in GRADIENT_NORMALIZED,
                        f"rescue.remedies has {remedy}, and critic.kind = {self.critic.kind} normalizes the "
                        "gradient already: leave gn out",
                    )
                    settings["critic"] = Critic(kind="gn")
                case "gp":
                    require(
                        self.penalty.kind == "none",
                        f"rescue.remedies has {remedy}, and penalty.kind = {self.penalty.kind} is one "
                        "already: leave gp out",
                    )
                    settings["penalty"] = Penalty(kind="gp", weight=self.rescue.gp_weight)
                case "lr":
                    factor = self.rescue.lr_factor
                    settings["lr"] = replace(self.lr, g=self.lr.g * factor, d=self.lr.d * factor)
        try:
            return replace(self, **settings, rollbacks=self.rollbacks + 1)
        except ConfigError as problem:
            if str(problem).startswith("rescue."):
                raise
            raise ConfigError(f"rescue.remedies has {remedy}, which cannot be: {problem}") from problem

    def _check_length(self) -> None:
        require(
            self.epochs is not None or self.steps is not None, "set epochs or steps: when does training end?"
        )
        require(self.epochs is None or self.epochs > 0, f"epochs = {self.epochs} must be positive")
        require(self.steps is None or self.steps > 0, f"steps = {self.steps} must be positive")

    def _check_images(self) -> None:
        require(self.size >= 8, f"size = {self.size} must be at least 8 pixels")
        architecture = self.network.architecture
        multiple = SIZES[architecture]
        require(
            self.size % multiple == 0,
            f"size = {self.size}: {architecture} networks need a multiple of {multiple}",
        )
        if self.dataset == "digits":
            require(
                self.data is None,
                f"data = {self.data}: the digits are built in; add --dataset images to train on it",
            )
            require(self.channels == 1, f"channels = {self.channels}: the digits are grey, set channels to 1")
            require(self.size == 8, f"size = {self.size}: the digits are 8 pixels wide, set size to 8")

    @property
    def shows_faces(self) -> bool:
        """Whether its samples are judged as faces."""
        kind = self.judges.kind
        return kind == "faces" or (kind == "auto" and self.dataset in FACES)

    def _check_judges(self) -> None:
        judges = self.judges
        require(
            self.dataset != "digits" or judges.kind == "auto",
            f"judges.kind = {judges.kind}: the digits have a judge of their own, leave it at auto",
        )
        require(
            self.shows_faces or judges.identities is None,
            f"judges.identities = {judges.identities}: {self.dataset} are no faces; if they are, set "
            "judges.kind to faces",
        )

    def _check_labels(self) -> None:
        classes = self.network.classes
        if classes == 0 or self.dataset == "images":
            return
        require(
            self.dataset in CLASSES,
            f"network.classes = {classes}: {self.dataset} has no labels, choose an architecture without",
        )
        require(
            classes == CLASSES[self.dataset],
            f"network.classes = {classes}: {self.dataset} has {CLASSES[self.dataset]}, set it to that",
        )

    def _check_critic(self) -> None:
        normalizes = self.critic.kind in GRADIENT_NORMALIZED
        mixes = self.network.norm_d == "batch"
        require(
            not (normalizes and mixes),
            f"critic.kind = {self.critic.kind} takes the gradient of every sample, and batch norm in the "
            "discriminator mixes samples: set network.norm-d to none",
        )
        require(
            not (self.penalty.kind != "none" and mixes),
            f"penalty.kind = {self.penalty.kind} takes the gradient of every sample, and batch norm in the "
            "discriminator mixes samples: set network.norm-d to none",
        )
        require(0 <= self.clip < 1e3, f"clip = {self.clip} must lie in [0, 1000)")
        require(
            self.clip == 0 or self.loss == "wasserstein",
            f"clip = {self.clip}: weights are clipped for the Wasserstein loss only, set loss to wasserstein "
            "or clip to 0",
        )
        require(
            self.clip == 0 or self.critic.kind != "sn",
            f"clip = {self.clip}: spectral normalization divides the weights by their norm, which undoes "
            "clipping: set clip to 0 or critic.kind to raw",
        )
