"""Into which modes most samples fall, for the page: whom a generator of faces draws again and again.

Healthy: the largest shares are small and close to those of real data. Sick: a few modes take most samples,
which is what a fall of D means.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Leading(NamedTuple):
    """The modes with most samples, the largest first."""

    #: int64 ``[k]``
    modes: Tensor
    #: What share of the samples that have a mode each took, float64 ``[k]``.
    shares: Tensor
    #: Which sample shows each: its best where there is a quality, else its first; int64 ``[k]``.
    samples: Tensor

    def names(self, names: Sequence[str]) -> list[str]:
        """As the judge calls them, or by their numbers."""
        return [names[mode] if mode < len(names) else f"mode {mode}" for mode in self.modes.tolist()]


def leading_modes(mode: Tensor, quality: Tensor | None, k: int) -> Leading:
    """The ``k`` largest of ``mode``, int64 ``[N]``, -1 where a sample has none. Ties: the smaller number."""
    counts = torch.bincount(mode[mode >= 0])
    largest = counts.argsort(descending=True, stable=True)[:k]
    largest = largest[counts[largest] > 0]
    worth = torch.zeros(len(mode), device=mode.device) if quality is None else quality.nan_to_num(nan=-1.0)
    best = worth.argsort(descending=True, stable=True)
    # The first in that order that has each mode.
    samples = best[(mode[best] == largest[:, None]).int().argmax(dim=1)]
    return Leading(largest, counts[largest] / counts.sum().to(torch.float64), samples)
