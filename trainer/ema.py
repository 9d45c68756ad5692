"""The generator that is sampled: an exponential moving average of the trained one."""

import copy

import torch
from torch import Tensor, nn

from trainer.config import Ema


class MovingAverage:
    """``average.G`` follows ``G``: parameters by ``a <- decay * a + (1 - decay) * w``, buffers by copy.

    Until step ``start``, and always with ``decay`` 0, it is a plain copy, bit for bit.
    """

    def __init__(self, G: nn.Module, settings: Ema) -> None:
        self.G = copy.deepcopy(G).eval().requires_grad_(False)
        self.settings = settings

    @torch.no_grad()
    def update(self, G: nn.Module, step: int) -> None:
        decay = self.settings.decay if step > self.settings.start else 0.0
        averages: list[Tensor] = list(self.G.parameters())
        weights: list[Tensor] = list(G.parameters())
        if decay == 0.0:
            torch._foreach_copy_(averages, weights)
        else:
            torch._foreach_lerp_(averages, weights, 1.0 - decay)
        for average, value in zip(self.G.buffers(), G.buffers(), strict=True):
            average.copy_(value)
