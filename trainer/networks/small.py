"""Small convolutional networks for small images (8 to 32 pixels, a multiple of 4): they train in seconds on a
CPU.

No paper prescribes them. With width w and size s:

=====  =========================================================================================
G      linear to 4w x s/4 x s/4; transposed convolutions 4/2/1 to 2w and w, each between norm and
       ReLU; convolution 3/1/1; tanh
D      convolutions 3/1/1 to w, 4/2/1 to 2w, 4/2/1 to 4w, each with its activation, all but the
       first with a norm; one linear layer
=====  =========================================================================================
"""

from functools import partial
from typing import Final

from torch import Tensor, nn

from trainer.config import Config, Normalization
from trainer.networks.discriminator import StackedDiscriminator
from trainer.networks.layers import MakeActivation, activation_d, norm_layers

LEAKY: Final[MakeActivation] = partial(nn.LeakyReLU, 0.2)


class Generator(nn.Module):
    """Latents ``[N, z_dim]`` to images ``[N, C, H, W]`` in [-1, 1]."""

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

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002  unconditional
        images: Tensor = self.layers(self.project(z).unflatten(1, self.base))
        return images


class Discriminator(StackedDiscriminator):
    """Images ``[N, C, H, W]`` to scores ``[N]``."""

    def __init__(
        self,
        width: int,
        size: int,
        channels: int,
        norm: Normalization,
        activation: MakeActivation = LEAKY,
    ) -> None:
        blocks = [
            nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1), activation()),
            nn.Sequential(nn.Conv2d(width, 2 * width, 4, 2, 1), *norm_layers(norm, 2 * width), activation()),
            nn.Sequential(
                nn.Conv2d(2 * width, 4 * width, 4, 2, 1), *norm_layers(norm, 4 * width), activation()
            ),
        ]
        score = nn.Sequential(nn.Flatten(), nn.Linear(4 * width * (size // 4) ** 2, 1))
        super().__init__(blocks, score)


def build(config: Config) -> tuple[Generator, Discriminator]:
    network, size, channels = config.network, config.size, config.channels
    return (
        Generator(network.z_dim, network.width_g, size, channels, network.norm_g),
        Discriminator(network.width_d, size, channels, network.norm_d, activation_d(network)),
    )
