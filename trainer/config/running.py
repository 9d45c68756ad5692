"""What does not change what is trained: how fast it runs, how it is judged, when it is saved."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from trainer.config.validation import require

Metric = Literal["inception-score", "fid", "kid", "precision-recall"]
JudgesName = Literal["auto", "faces", "fitted"]
Extractor = Literal["inception-v3-compat", "vgg16", "cifar10-resnet20"]

#: Images of a measurement: one for each of the inception score's splits.
LEAST: Final = 10


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
    """Generated images against real ones, through a pretrained network (torch-fidelity)."""

    #: Epochs between two measurements; 0: never.
    every: int = 0
    #: Generated images of a measurement.
    samples: int = 50_000
    #: Real images they are compared with, chosen once; 0: all there are.
    real: int = 0
    #: Where those lie, as for ``data``; by default they are the training images.
    reference: Path | None = None
    metrics: tuple[Metric, ...] = ("inception-score", "fid")
    #: The network whose features are compared. The literature's figures are of inception-v3-compat, its
    #: precision and recall of vgg16; cifar10-resnet20 is small enough for a CPU, and says little outside
    #: CIFAR-10.
    extractor: Extractor = "inception-v3-compat"
    #: A file with its weights; by default torch-fidelity fetches them, once.
    weights: Path | None = None

    def __post_init__(self) -> None:
        require(self.every >= 0, f"fidelity.every = {self.every} epochs must not be negative")
        require(
            self.samples >= LEAST,
            f"fidelity.samples = {self.samples} must be at least {LEAST}: the inception score has 10 splits",
        )
        require(
            self.real == 0 or self.real >= LEAST,
            f"fidelity.real = {self.real} must be 0, for all there are, or at least {LEAST}",
        )
        require(
            len(set(self.metrics)) == len(self.metrics) > 0,
            f"fidelity.metrics = {' '.join(self.metrics) or 'none'}: name each once, and at least one",
        )
        require(
            "inception-score" not in self.metrics or self.extractor != "vgg16",
            "fidelity.metrics has inception-score, which needs classes, and fidelity.extractor = vgg16 gives "
            "none: leave the one out, or set the other to inception-v3-compat",
        )
        require(
            self.extractor != "cifar10-resnet20" or self.weights is not None,
            "fidelity.extractor = cifar10-resnet20 cannot be fetched: set fidelity.weights to its file",
        )


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Who judges quality and diversity."""

    #: ``faces``: MTCNN and ArcFace; ``fitted``: a classifier where the data has classes, else bins (k-means).
    #: ``auto``: faces for CelebA and CelebA-HQ, fitted for all else, and the digits have one of their own.
    kind: JudgesName = "auto"
    #: Faces: the identity bank that ``gantrain identities build`` made. Without one bins judge diversity.
    identities: Path | None = None
    #: Faces: an ArcFace model, as a .onnx file or the name of a pack of insightface (default: the one that
    #: the bank was made with).
    recognizer: str | None = None

    def __post_init__(self) -> None:
        require(
            self.kind != "fitted" or self.identities is None,
            f"judges.identities = {self.identities}: only faces have them, set judges.kind to faces",
        )
        require(
            self.recognizer is None or self.identities is not None,
            f"judges.recognizer = {self.recognizer} compares samples with known people: name them with "
            "judges.identities",
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
