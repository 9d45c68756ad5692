"""DCGAN (Radford et al. 2016): four doublings up, four halvings down.

At 64 pixels with width 64 the channels are the paper's, 512, 256, 128, 64; other sizes that are multiples of
16 begin from, and end in, a map of size/16. With width w and size s:

=====  =========================================================================================
G      transposed convolutions: s/16 of z to 8w x s/16 x s/16; 4/2/1 to 4w, 2w, w, each followed
       by norm and ReLU; 4/2/1 to the image; tanh
D      convolutions 4/2/1 to w, 2w, 4w, 8w, each with its activation, all but the first with a
       norm; s/16 to one score
=====  =========================================================================================

The paper has batch norm in both and leaky ReLU 0.2 in D.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.config import Config, Normalization
from trainer.networks.discriminator import StackedDiscriminator
from trainer.networks.layers import MakeActivation, activation_d, norm_layers


class Generator(nn.Module):
    """Latents ``[N, z_dim]`` to images ``[N, C, H, W]`` in [-1, 1]."""

    def __init__(self, z_dim: int, width: int, size: int, channels: int, norm: Normalization) -> None:
        super().__init__()
        widths = [8 * width, 4 * width, 2 * width, width]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(z_dim, widths[0], size // 16),
            *norm_layers(norm, widths[0]),
            nn.ReLU(),
        ]
        for above, below in pairwise(widths):
            layers += [nn.ConvTranspose2d(above, below, 4, 2, 1), *norm_layers(norm, below), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002  unconditional
        images: Tensor = self.layers(z[:, :, None, None])
        return images


class Discriminator(StackedDiscriminator):
    """Images ``[N, C, H, W]`` to scores ``[N]``."""

    def __init__(
        self, width: int, size: int, channels: int, norm: Normalization, activation: MakeActivation
    ) -> None:
        blocks = [nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), activation())]
        for above, below in pairwise([width, 2 * width, 4 * width, 8 * width]):
            blocks.append(
                nn.Sequential(nn.Conv2d(above, below, 4, 2, 1), *norm_layers(norm, below), activation())
            )
        super().__init__(blocks, nn.Sequential(nn.Conv2d(8 * width, 1, size // 16)))


def build(config: Config) -> tuple[Generator, Discriminator]:
    network, size, channels = config.network, config.size, config.channels
    return (
        Generator(network.z_dim, network.width_g, size, channels, network.norm_g),
        Discriminator(network.width_d, size, channels, network.norm_d, activation_d(network)),
    )
