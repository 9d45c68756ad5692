"""A judge of whatever data there is: of its classes, or of bins where it has none."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from . import Judge
from .classifier import classifier_judge
from .kmeans import BINS, kmeans_judge

#: Images that a judge is fitted on at most.
MOST: Final = 50_000
#: Labels with fewer images a class on average are no classes that could be learned.
A_CLASS: Final = 20
#: A bin of fewer images than this would be chance.
A_BIN: Final = 4


def fitted_judge(
    images: Tensor,
    labels: Tensor | None = None,
    *,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
) -> Judge:
    """Of ``images`` ``[N, C, H, W]``, floats in [-1, 1] or uint8, with ``labels`` ``[N]`` if they have any.

    A classifier judges quality and diversity, bins judge diversity alone.
    """
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(images), generator=generator, device="cpu")[:MOST].sort().values
    images, labels = images[chosen], None if labels is None else labels[chosen]
    if labels is not None and has_classes(labels):
        return classifier_judge(images, labels, cache=cache, device=device)
    return kmeans_judge(images, m=max(2, min(BINS, len(images) // A_BIN)), cache=cache, device=device)


def has_classes(labels: Tensor) -> bool:
    """Whether they are classes that could be learned: whole numbers from 0, at least two, and not rare."""
    if labels.dim() != 1 or labels.is_floating_point() or int(labels.min()) < 0:
        return False
    classes = int(labels.max()) + 1
    return classes >= 2 and len(labels) >= A_CLASS * classes
