"""Small convolutional networks for small images (8 to 32 pixels, a multiple of 4): they train in seconds on a
CPU.

No paper prescribes them. The generator doubles twice, the discriminator halves twice, and the discriminator's
score comes from one linear layer.
"""

from torch import Tensor, nn

from trainer.config import Config, Normalization
from trainer.networks.normalization import norm_layers


class Generator(nn.Module):
    def __init__(self, z_dim: int, width: int, size: int, channels: int, norm: Normalization) -> None:
        super().__init__()
        self.base = (4 * width, size // 4, size // 4)
        self.project = nn.Linear(z_dim, 4 * width * (size // 4) ** 2)
        self.layers = nn.Sequential(
            *norm_layers(norm, 4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1),
            *norm_layers(norm, 2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            *norm_layers(norm, width),
            nn.ReLU(),
            nn.Conv2d(width, channels, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(self.project(z).unflatten(1, self.base))
        return images


class Discriminator(nn.Module):
    def __init__(self, width: int, size: int, channels: int, norm: Normalization) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            *norm_layers(norm, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1),
            *norm_layers(norm, 4 * width),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(4 * width * (size // 4) ** 2, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images)
        return scores.squeeze(1)


def build(config: Config) -> tuple[Generator, Discriminator]:
    network, size, channels = config.network, config.size, config.channels
    return (
        Generator(network.z_dim, network.width_g, size, channels, network.norm_g),
        Discriminator(network.width_d, size, channels, network.norm_d),
    )
