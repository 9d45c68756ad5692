"""Sample differences penalization (SDP, eq. 6 to 8): the best generated samples and the real ones nearest to
them are to differ little in the discriminator's eyes; for both networks.

From iteration ``start`` on, the k generated samples of the batch with the highest scores are paired each
with its nearest real sample of the batch, by the Euclidean distance of the images. k begins with ``k`` and
grows by 1 every ``grow_every`` iterations, counted from 0, up to the batch. To the discriminator's and to the
generator's loss is added

    weight / k * sum over the pairs of ( (h(fake) - h(real))^2 + sum_j |F_j(fake) - F_j(real)|^2 )

where ``F_j = phi_j / |phi_j|^2`` and ``phi_j`` [C_j] is the global maximum of each channel of the j-th
convolutional block after its activation; ``normalize = "norm"`` divides by ``|phi_j|``. An all-zero ``phi_j``
gives 0. Which samples are paired is not differentiated through; in the generator's loss, real samples are
constants.

Healthy: the terms stay a small part of the losses. Sick: they grow by orders of magnitude; with the squared
norm this happens where features fade to 0 (``1 / |phi|`` grows).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.config import SampleDifferences


class Seen(NamedTuple):
    """What a critic made of a batch."""

    #: [N]
    h: Tensor
    #: Of each convolutional block [N, C_j, H_j, W_j], after its activation; empty where nobody asked.
    blocks: Sequence[Tensor] = ()

    def chosen(self, samples: Tensor) -> "Seen":
        return Seen(self.h[samples], [block[samples] for block in self.blocks])

    def detached(self) -> "Seen":
        return Seen(self.h.detach(), [block.detach() for block in self.blocks])


class SampleDifferencesPenalization:
    def __init__(self, settings: SampleDifferences) -> None:
        self.settings = settings

    def is_due(self, step: int) -> bool:
        """Whether it is added in this iteration, the first being 0."""
        return self.settings.weight > 0 and step >= self.settings.start

    def k(self, step: int, batch: int) -> int:
        return min(self.settings.k + step // self.settings.grow_every, batch)

    def term(self, fake: Seen, real: Seen) -> Tensor:
        """What is added to a loss, given k pairs: a scalar."""
        difference = (fake.h - real.h).square().sum()
        for fake_block, real_block in zip(fake.blocks, real.blocks, strict=True):
            between = self._features(fake_block) - self._features(real_block)
            difference = difference + between.square().sum()
        return self.settings.weight / len(fake.h) * difference

    def _features(self, block: Tensor) -> Tensor:
        """``F_j`` [N, C_j], in float32 or wider."""
        phi = block.to(torch.promote_types(block.dtype, torch.float32)).amax((2, 3))
        squares = phi.square().sum(1, keepdim=True)
        scale = torch.where(squares == 0, torch.ones_like(squares), squares)
        return phi / (scale if self.settings.normalize == "squared" else scale.sqrt())


@torch.no_grad()
def pairs(h: Tensor, fake: Tensor, real: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Indices [k] of the generated images with the highest scores ``h``, the highest first, and of the real
    image nearest to each.
    """
    best = h.topk(k).indices
    distances = torch.cdist(
        fake[best].flatten(1).float(),
        real.flatten(1).float(),
        compute_mode="donot_use_mm_for_euclid_dist",  # which loses what is near in rounding
    )
    return best, distances.argmin(1)
