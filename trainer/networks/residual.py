"""What the residual networks have in common (He et al. 2016, as WGAN-GP and SN-GAN build GANs of it).

**Sizes.** An image of size s = b * 2^u grows from a map of b x b in u doublings, u as great as b >= 4 lets it
be. The papers' are 32 (b = 4, u = 3), 48 (6, 3), 128 (4, 5) and 256 (4, 6); every other multiple of 16
follows the same rule: 64 (4, 4), 80 (5, 4), 96 (6, 4), 144 (9, 4). ``ladder`` gives the channels at each
resolution.

**Discriminators** are pre-activation networks: a block's output meets its activation in the next block's
residual branch, while the shortcut takes it as it is. The activation stands between the blocks here, so that
each block's activated output is there once for both ends.

**Order of cheap and dear.** A 1x1 convolution commutes with average pooling, and with nearest and bilinear
upsampling, whose weights sum to 1. Shortcuts convolve at the lower resolution, which is the same function in
a quarter of the work.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from trainer.config import Normalization, Pooling
from trainer.networks.discriminator import Discriminator
from trainer.networks.layers import (
    MakeActivation,
    MeanPool,
    SumPool,
    Upsampling,
    norm_layers,
    upsample,
)


def doublings(size: int) -> int:
    """How often a map of at least 4 pixels doubles until it has ``size``."""
    count = 0
    while size % 2 == 0 and size >= 8:
        size //= 2
        count += 1
    return count


def ladder(size: int, width: int) -> list[int]:
    """The generator's channels, from the latent's map to the image: one number more than doublings.

    ===============  =================================  ================================
    size             channels                           source
    ===============  =================================  ================================
    32 (and 16)      w, w, w, w (and w, w, w)           SN-GAN, GN: w = 256 in G, 128 in D
    48               8w, 4w, 2w, w                      SN-GAN, GN: w = 64
    64, all u = 4    16w, 8w, 4w, 2w, w                 SN-GAN: w = 64
    128, all u = 5   16w, 16w, 8w, 4w, 2w, w            SN-GAN, GN: w = 64
    256, all u = 6   16w, 16w, 8w, 8w, 4w, 2w, w        GN: w = 64
    ===============  =================================  ================================

    Each doubling beyond repeats 8w once more. A discriminator has the same numbers from the image on.
    """
    count = doublings(size)
    if size in (16, 32):
        return [width] * (count + 1)
    low = [1, 2, 4, 8, 16][: count + 1]
    if count >= 5:
        low = [1, 2, 4, 8] + [8] * (count - 5) + [16, 16]
    return [width * factor for factor in reversed(low)]


def up_block(above: int, below: int, mode: Upsampling, norm: Normalization) -> "ResidualBlock":
    """norm-ReLU-double-conv3-norm-ReLU-conv3, shortcut conv1-double: ``[N, above, H, W]`` to
    ``[N, below, 2H, 2W]``.
    """
    residual = nn.Sequential(
        *norm_layers(norm, above),
        nn.ReLU(),
        upsample(mode),
        nn.Conv2d(above, below, 3, 1, 1),
        *norm_layers(norm, below),
        nn.ReLU(),
        nn.Conv2d(below, below, 3, 1, 1),
    )
    return ResidualBlock(residual, nn.Sequential(nn.Conv2d(above, below, 1), upsample(mode)))


def first_block(channels: int, width: int, activation: MakeActivation) -> "ResidualBlock":
    """conv3-activation-conv3-pool, shortcut pool-conv1: images to ``[N, width, H/2, W/2]``."""
    residual = nn.Sequential(
        nn.Conv2d(channels, width, 3, 1, 1),
        activation(),
        nn.Conv2d(width, width, 3, 1, 1),
        nn.AvgPool2d(2),
    )
    return ResidualBlock(residual, nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, width, 1)))


def down_block(
    above: int, below: int, activation: MakeActivation, *, hidden: int, halves: bool
) -> "ResidualBlock":
    """conv3-activation-conv3-pool of what was activated, shortcut pool-conv1: to ``[N, below, H/2, W/2]``.

    A plain block (not ``halves``) does not pool, and its shortcut is the identity unless channels change.
    """
    pool = [nn.AvgPool2d(2)] if halves else []
    residual = nn.Sequential(
        nn.Conv2d(above, hidden, 3, 1, 1), activation(), nn.Conv2d(hidden, below, 3, 1, 1), *pool
    )
    changes = halves or above != below
    shortcut = [*(nn.AvgPool2d(2) for _ in pool), nn.Conv2d(above, below, 1)] if changes else []
    return ResidualBlock(residual, nn.Sequential(*shortcut))


class ResidualBlock(nn.Module):
    """``residual(activated) + shortcut(x)``; an empty shortcut is the identity."""

    def __init__(self, residual: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.residual = residual
        self.shortcut = shortcut

    def forward(self, x: Tensor, activated: Tensor | None = None) -> Tensor:
        """``activated`` is ``x`` where the block has its first activation, or none, within."""
        y: Tensor = self.residual(x if activated is None else activated) + self.shortcut(x)
        return y


class ResidualGenerator(nn.Module):
    """Latents ``[N, z_dim]`` to images ``[N, C, H, W]`` in [-1, 1]: linear, blocks that double, norm-ReLU-
    conv3-tanh.
    """

    def __init__(
        self, z_dim: int, width: int, size: int, channels: int, *, norm: Normalization, mode: Upsampling
    ) -> None:
        super().__init__()
        widths = ladder(size, width)
        base = size >> doublings(size)
        self.base = (widths[0], base, base)
        self.project = nn.Linear(z_dim, widths[0] * base**2)
        self.blocks = nn.Sequential(
            *(up_block(above, below, mode, norm) for above, below in pairwise(widths))
        )
        self.output = nn.Sequential(
            *norm_layers(norm, widths[-1]),
            nn.ReLU(),
            nn.Conv2d(widths[-1], channels, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002  unconditional
        images: Tensor = self.output(self.blocks(self.project(z).unflatten(1, self.base)))
        return images


class ResidualDiscriminator(Discriminator):
    """Blocks with activations between them, pooling over all pixels, one linear layer."""

    def __init__(
        self,
        blocks: Sequence[ResidualBlock],
        width: int,
        *,
        activation: MakeActivation,
        pooling: Pooling,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.activations = nn.ModuleList(activation() for _ in blocks)
        self.pool = SumPool() if pooling == "sum" else MeanPool()
        self.score = nn.Linear(width, 1, bias=bias)

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        outputs = []
        x = activated = images
        for block, activation in zip(self.blocks, self.activations, strict=True):
            x = block(x, activated)
            activated = activation(x)
            outputs.append(activated)
        return self.scores(self.pool(activated), labels), outputs

    def scores(self, pooled: Tensor, labels: Tensor | None) -> Tensor:  # noqa: ARG002  unconditional
        """``[N, width]`` to ``[N]``."""
        scores: Tensor = self.score(pooled)
        return scores.squeeze(1)


def residual_blocks(
    size: int, width: int, channels: int, activation: MakeActivation, *, narrow: bool
) -> tuple[list[ResidualBlock], int]:
    """A discriminator's blocks, and the channels of the last.

    One block more than doublings: at 16 and 32 pixels the first two halve; at 48, and wherever u = 4, all do;
    above, all but the last. A map of odd size stays as it is. ``narrow``: a block is as wide inside as its
    input (SN-GAN), else as its output (GN).
    """
    widths = ladder(size, width)[::-1]
    halving = 2 if size in (16, 32) else min(len(widths), max(5, doublings(size)))
    blocks = [first_block(channels, widths[0], activation)]
    side = size // 2
    for number, (above, below) in enumerate(pairwise(widths), start=2):
        halves = number <= halving and side % 2 == 0
        side = side // 2 if halves else side
        hidden = above if narrow else below
        blocks.append(down_block(above, below, activation, hidden=hidden, halves=halves))
    return blocks, widths[-1]
