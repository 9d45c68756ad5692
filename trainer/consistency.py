"""Consistency regularization (Zhang et al., ICLR 2020; as GN's and PGN's CR rows use it).

The discriminator's loss gets ``weight * E (h(x) - h(T(x)))^2`` at real x, both branches with gradient. ``T``
mirrors an image left to right with probability ``flip``, then shifts it by whole pixels, up to ``shift`` of
its size in either direction of either axis; what comes in is black (-1).

Healthy: the term is a small part of the loss. Sick: it nears 0 while the loss falls to its floor: the critic
sees nothing any more; or it climbs: the critic knows the real images by heart, and not what they show.
"""

import torch
from torch import Tensor

from trainer.batches import Labelled
from trainer.config import Consistency
from trainer.randomness import Draws


class ConsistencyRegularization:
    """``T`` and the term. ``draws`` are of its own."""

    series = "consistency"

    def __init__(self, settings: Consistency, draws: Draws) -> None:
        self.settings = settings
        self.draws = draws

    @property
    def is_on(self) -> bool:
        return self.settings.weight > 0

    def augmented(self, real: Labelled) -> Labelled:
        """Every image mirrored and shifted as chance has it."""
        images, settings = real.x, self.settings
        height, width = images.shape[2:]
        return Labelled(
            moved(
                images,
                mirrored=self.draws.uniform(len(images)) < settings.flip,
                down=self._shifts(len(images), settings.shift * height),
                right=self._shifts(len(images), settings.shift * width),
            ),
            real.y,
        )

    def term(self, h: Tensor, h_augmented: Tensor) -> Tensor:
        return self.settings.weight * (h - h_augmented).square().mean()

    def _shifts(self, n: int, most: float) -> Tensor:
        """The nearest whole numbers to uniform ones in [-most, most)."""
        return ((2 * self.draws.uniform(n) - 1) * most).round().long()


def moved(images: Tensor, *, mirrored: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images [N, C, H, W] mirrored where ``mirrored`` [N] says so, then shifted by so many pixels, [N] each;
    black (-1) where nothing was.
    """
    n, channels, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device) - down[:, None]
    columns = torch.arange(width, device=device) - right[:, None]
    known = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    found = images[
        torch.arange(n, device=device)[:, None, None, None],
        torch.arange(channels, device=device)[None, :, None, None],
        rows.clamp(0, height - 1)[:, None, :, None],
        columns.clamp(0, width - 1)[:, None, None, :],
    ]
    return torch.where(known[:, None], found, torch.full_like(found, -1.0))
