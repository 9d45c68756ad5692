"""Batches on their way through a step: samples with their labels, whole or in equal parts."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Labelled(NamedTuple):
    #: Images [N, C, H, W] in [-1, 1], or latents [N, z_dim].
    x: Tensor
    #: Classes, int64 [N]; None for unconditional networks.
    y: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a network takes: samples, and classes, if there are any."""
        return (self.x,) if self.y is None else (self.x, self.y)

    def chosen(self, samples: Tensor) -> "Labelled":
        """Those with the indices ``samples`` [k]."""
        return Labelled(self.x[samples], None if self.y is None else self.y[samples])

    def parts(self, n: int) -> list["Labelled"]:
        """``n`` equal ones, in order."""
        if n == 1:
            return [self]
        y = [None] * n if self.y is None else self.y.chunk(n)
        return [Labelled(*part) for part in zip(self.x.chunk(n), y, strict=True)]


def joined(batches: Sequence[Labelled]) -> Labelled:
    y = [batch.y for batch in batches if batch.y is not None]
    return Labelled(torch.cat([batch.x for batch in batches]), torch.cat(y) if y else None)
