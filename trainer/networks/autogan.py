"""AutoGAN (Gong et al., ICCV 2019): the generator that its search found for CIFAR-10, and SN-GAN's
discriminator.

The generator is figure 3 of the paper, checked against its published code. Three cells double from a map of
size/8 with w = 256 channels throughout. A cell without any norm: ReLU, double, conv3, add what came over
skips (the sum is its *early* output), ReLU, conv3, add the shortcut.

====  ==========  ==============  =======================================================
cell  upsampling  shortcut conv1  early outputs added, each through a conv1 and resized
====  ==========  ==============  =======================================================
1     nearest     yes             none
2     bilinear    yes             cell 1's
3     nearest     no              cell 1's and cell 2's
====  ==========  ==============  =======================================================

The figure does not say whether an early output holds what was added over skips; in the code, which adds in
place, it does. Then batch norm, ReLU, conv3, tanh.

The discriminator has 128 channels, is as wide inside a block as its input, pools a sum and scores it without
a bias; it is trained under spectral normalization (the critic ``sn``). Weights are Xavier uniform, here with
biases 0, which the code leaves as torch draws them.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from trainer.config import Config, Normalization
from trainer.networks.layers import Upsampling, activation_d, norm_layers, upsample
from trainer.networks.residual import ResidualDiscriminator, residual_blocks


class Cell(nn.Module):
    """``[N, width, H, W]`` to ``[N, width, 2H, 2W]``."""

    def __init__(self, width: int, mode: Upsampling, *, scales: Sequence[int], shortcut: bool) -> None:
        """``scales``: how many times larger than each skip's early output this cell's is."""
        super().__init__()
        self.rise = nn.Sequential(nn.ReLU(), upsample(mode), nn.Conv2d(width, width, 3, 1, 1))
        self.refine = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1))
        self.shortcut = nn.Sequential(nn.Conv2d(width, width, 1), upsample(mode)) if shortcut else None
        self.skips = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 1), upsample(mode, scale)) for scale in scales
        )

    def forward(self, x: Tensor, earlier: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The cell's output, and its early output for the cells that follow."""
        early: Tensor = self.rise(x)
        for skip, other in zip(self.skips, earlier, strict=True):
            early = early + skip(other)
        y: Tensor = self.refine(early)
        return (y if self.shortcut is None else y + self.shortcut(x)), early


class Generator(nn.Module):
    """Latents ``[N, z_dim]`` to images ``[N, C, H, W]`` in [-1, 1]."""

    def __init__(self, z_dim: int, width: int, size: int, channels: int, norm: Normalization) -> None:
        super().__init__()
        self.base = (width, size // 8, size // 8)
        self.project = nn.Linear(z_dim, width * (size // 8) ** 2)
        self.cells = nn.ModuleList(
            [
                Cell(width, "nearest", scales=(), shortcut=True),
                Cell(width, "bilinear", scales=(2,), shortcut=True),
                Cell(width, "nearest", scales=(4, 2), shortcut=False),
            ]
        )
        self.output = nn.Sequential(
            *norm_layers(norm, width), nn.ReLU(), nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh()
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002  unconditional
        x = self.project(z).unflatten(1, self.base)
        earlier: list[Tensor] = []
        for cell in self.cells:
            x, early = cell(x, earlier)
            earlier.append(early)
        images: Tensor = self.output(x)
        return images


def build(config: Config) -> tuple[Generator, ResidualDiscriminator]:
    network, size, channels = config.network, config.size, config.channels
    activation = activation_d(network)
    blocks, last = residual_blocks(size, network.width_d, channels, activation, narrow=True)
    return (
        Generator(network.z_dim, network.width_g, size, channels, network.norm_g),
        ResidualDiscriminator(blocks, last, activation=activation, pooling=network.pool_d, bias=False),
    )
