"""How a figure was made: without it, no two figures can be compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from trainer.config import Metric
from trainer.fidelity.figures import NEIGHBOURS, SPLITS, SUBSETS


@dataclass(frozen=True)
class Protocol:
    extractor: str
    #: First digits of a hash of its weights.
    weights: str
    #: The layer that each figure takes.
    layers: dict[Metric, str]
    #: What the extractor scales images to.
    resize: str
    #: Size in which images are handed to it, as 8-bit numbers.
    size: int
    generated: int
    #: What the real images are called, and the first digits of what tells them from others.
    statistics: str
    real: int
    #: Images of a subset for KID.
    subset: int

    def __str__(self) -> str:
        return (
            f"{self.generated} images of G_ema from latents that never change, {self.real} real ones of "
            f"{self.statistics}, each {self.size}x{self.size} with 8 bits; {self.extractor} (weights "
            f"{self.weights}), which scales to {self.resize}; torch-fidelity {version('torch-fidelity')}."
        )


@dataclass(frozen=True)
class Series:
    name: str
    metric: Metric
    #: Which of the numbers of its figure.
    number: str
    facts: dict[str, Any]


def series(protocol: Protocol) -> Iterator[Series]:
    """Every series of the figures asked for, with all that an axis and a tooltip need."""
    for metric, number, name, direction, bounds, meaning in _SERIES:
        if metric in protocol.layers:
            layer = f"Layer {protocol.layers[metric]}. "
            facts: dict[str, Any] = {
                "direction": direction,
                **bounds,
                "help": f"{meaning.format(subset=protocol.subset)} {layer}{protocol}",
                "judge": protocol.extractor,
                "n": protocol.generated,
            }
            yield Series(f"{name}/{protocol.extractor}", metric, number, facts)


_SERIES: Final[tuple[tuple[Metric, str, str, str, dict[str, float], str], ...]] = (
    (
        "inception-score",
        "mean",
        "inception_score",
        "higher",
        {"lower": 1},
        f"Inception score: how sure the classifier is of each image and how many classes it sees, mean of "
        f"{SPLITS} splits. Good: climbs to the value of real images.",
    ),
    (
        "inception-score",
        "sd",
        "inception_score_sd",
        "none",
        {"lower": 0},
        f"Standard deviation of the inception score over {SPLITS} splits.",
    ),
    (
        "fid",
        "mean",
        "fid",
        "lower",
        {"lower": 0},
        "Fréchet distance between features of generated and real images, each taken as a Gaussian. Good: "
        "falls and settles. A climb says that quality or diversity is lost. Compare only equal numbers of "
        "images.",
    ),
    (
        "kid",
        "mean",
        "kid",
        "lower",
        {},
        "Kernel distance: squared maximum mean discrepancy of the features under a cubic kernel, unbiased, "
        f"mean of {SUBSETS} subsets of {{subset}}. Good: falls to about 0, and may end a little below.",
    ),
    (
        "kid",
        "sd",
        "kid_sd",
        "none",
        {"lower": 0},
        f"Standard deviation of the kernel distance over {SUBSETS} subsets of {{subset}}.",
    ),
    (
        "precision-recall",
        "precision",
        "precision",
        "higher",
        {"lower": 0, "upper": 1},
        f"Share of generated images within the reach of real ones, by {NEIGHBOURS} nearest neighbours. "
        "Good: climbs. While recall falls: modes are dropped for quality.",
    ),
    (
        "precision-recall",
        "recall",
        "recall",
        "higher",
        {"lower": 0, "upper": 1},
        f"Share of real images within the reach of generated ones, by {NEIGHBOURS} nearest neighbours. "
        "Good: climbs. A fall says that modes are dropped.",
    ),
)
