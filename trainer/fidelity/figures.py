"""The figures themselves, from features: thin over torch-fidelity, whose numbers they are, bit for bit.

Each is of generated features against real ones, ``[n, d]`` float32 on the CPU.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch_fidelity.metric_fid import (  # type: ignore[import-untyped]
    fid_features_to_statistics,
    fid_statistics_to_metric,
)
from torch_fidelity.metric_isc import isc_features_to_metric  # type: ignore[import-untyped]
from torch_fidelity.metric_kid import kid_features_to_metric  # type: ignore[import-untyped]
from torch_fidelity.metric_prc import prc_features_to_metric  # type: ignore[import-untyped]

from trainer.config import Metric

SPLITS: Final = 10
SUBSETS: Final = 100
SUBSET_SIZE: Final = 1000
NEIGHBOURS: Final = 3


@dataclass(frozen=True)
class Moments:
    """Mean [d] float32 and covariance [d, d] float64 of features, as torch-fidelity has them."""

    mean: np.ndarray[Any, np.dtype[np.float32]]
    covariance: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Real:
    """What is kept of the real images."""

    n: int
    moments: Moments | None
    features: Tensor | None


def moments(features: Tensor) -> Moments:
    found = fid_features_to_statistics(features)
    return Moments(found["mu"], found["sigma"])


def inception_score(logits: Tensor, _: Real, __: torch.device) -> dict[str, float]:
    """``exp(E KL(p(y|x) || p(y)))``, mean and standard deviation over 10 splits (Salimans et al. 2016).

    1 where all images look alike to the classifier; at most its number of classes. Healthy: climbs towards
    the value of real images. Sick: falls. It sees neither realism nor modes within a class.
    """
    found = isc_features_to_metric(logits, splits=SPLITS)
    return {"mean": found["inception_score_mean"], "sd": found["inception_score_std"]}


def frechet_distance(features: Tensor, real: Real, _: torch.device) -> dict[str, float]:
    """``|m - m_r|^2 + tr(C + C_r - 2 (C C_r)^(1/2))`` (Heusel et al. 2017).

    0 where mean and covariance agree. Healthy: falls and settles. Sick: turns and climbs. Its bias depends on
    the number of images, so figures of different numbers cannot be compared.
    """
    assert real.moments is not None
    ours, theirs = ({"mu": some.mean, "sigma": some.covariance} for some in (moments(features), real.moments))
    found = fid_statistics_to_metric(ours, theirs, verbose=False)
    return {"mean": found["frechet_inception_distance"]}


def kernel_distance(features: Tensor, real: Real, _: torch.device) -> dict[str, float]:
    """Squared maximum mean discrepancy under the kernel ``(x y / d + 1)^3``, unbiased; mean and standard
    deviation over 100 subsets (Binkowski et al. 2018).

    About 0, and just as well a little below, where the distributions agree. Healthy: falls. Unlike FID's, its
    mean does not depend on the number of images.
    """
    assert real.features is not None
    found = kid_features_to_metric(
        features,
        real.features,
        kid_subsets=SUBSETS,
        kid_subset_size=subset_size(len(features), len(real.features)),
        verbose=False,
    )
    return {"mean": found["kernel_inception_distance_mean"], "sd": found["kernel_inception_distance_std"]}


def precision_recall(features: Tensor, real: Real, device: torch.device) -> dict[str, float]:
    """Precision: the share of generated images within the reach of real ones (nearer to one than its third
    neighbour is). Recall: the same with the roles exchanged (Kynkäänniemi et al. 2019).

    Healthy: both climb. Precision that climbs while recall falls: modes are dropped for quality. Distances
    are taken on the device.
    """
    assert real.features is not None
    found = prc_features_to_metric(
        features.to(device),
        real.features.to(device),
        prc_neighborhood=NEIGHBOURS,
        save_cpu_ram=True,
        verbose=False,
    )
    return {"precision": found["precision"], "recall": found["recall"]}


#: (generated features, what is kept of the real ones, device) -> numbers.
FIGURES: Final[Mapping[Metric, Callable[[Tensor, Real, torch.device], dict[str, float]]]] = {
    "inception-score": inception_score,
    "fid": frechet_distance,
    "kid": kernel_distance,
    "precision-recall": precision_recall,
}
#: Those that need more of the real images than their moments.
NEED_FEATURES: Final = frozenset[Metric]({"kid", "precision-recall"})


def subset_size(generated: int, real: int) -> int:
    return min(SUBSET_SIZE, generated, real)
