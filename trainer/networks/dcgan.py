"""DCGAN (Radford et al. 2016), at 64 pixels with channels 512, 256, 128, 64: four doublings up, four halvings
down.

Other sizes that are multiples of 16 begin from a wider map. The discriminator's first layer has no norm, as
in the paper.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.config import Config, Normalization
from trainer.networks.normalization import norm_layers


class Generator(nn.Module):
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

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z[:, :, None, None])
        return images


class Discriminator(nn.Module):
    def __init__(self, width: int, size: int, channels: int, norm: Normalization) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for above, below in pairwise(widths):
            layers += [nn.Conv2d(above, below, 4, 2, 1), *norm_layers(norm, below), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, size // 16))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images)
        return scores.flatten()


def build(config: Config) -> tuple[Generator, Discriminator]:
    network, size, channels = config.network, config.size, config.channels
    return (
        Generator(network.z_dim, network.width_g, size, channels, network.norm_g),
        Discriminator(network.width_d, size, channels, network.norm_d),
    )
