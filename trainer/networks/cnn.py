"""The convolutional networks of GN and PGN for 32 and 48 pixels (Wu et al., ICCV 2021, appendix), which are
SN-GAN's (Miyato et al. 2018, table 3).

With width w = 64 and M = size/8; any size that is a multiple of 8 works:

=====  =========================================================================================
G      linear to 8w x M x M; transposed convolutions 4/2/1 to 4w, 2w, w, each between norm and
       ReLU; convolution 3/1/1; tanh
D      convolutions 3/1/1 to w; 4/2/1 to 2w, 3/1/1; 4/2/1 to 4w, 3/1/1; 4/2/1 to 8w, 3/1/1, each
       with its activation; one linear layer
=====  =========================================================================================

The papers have batch norm in G, leaky ReLU 0.1 in D, weights N(0, 0.02) and biases 0 (their code; PGN's text
says Kaiming normal for all).
"""

from torch import Tensor, nn

from trainer.config import Config, Normalization
from trainer.networks.discriminator import StackedDiscriminator
from trainer.networks.layers import MakeActivation, activation_d, norm_layers


class Generator(nn.Module):
    """Latents ``[N, z_dim]`` to images ``[N, C, H, W]`` in [-1, 1]."""

    def __init__(self, z_dim: int, width: int, size: int, channels: int, norm: Normalization) -> None:
        super().__init__()
        self.base = (8 * width, size // 8, size // 8)
        self.project = nn.Linear(z_dim, 8 * width * (size // 8) ** 2)
        layers: list[nn.Module] = [*norm_layers(norm, 8 * width), nn.ReLU()]
        for below in (4 * width, 2 * width, width):
            layers += [nn.ConvTranspose2d(2 * below, below, 4, 2, 1), *norm_layers(norm, below), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002  unconditional
        images: Tensor = self.layers(self.project(z).unflatten(1, self.base))
        return images


class Discriminator(StackedDiscriminator):
    """Images ``[N, C, H, W]`` to scores ``[N]``."""

    def __init__(
        self, width: int, size: int, channels: int, norm: Normalization, activation: MakeActivation
    ) -> None:
        def block(convolution: nn.Conv2d) -> nn.Sequential:
            return nn.Sequential(convolution, *norm_layers(norm, convolution.out_channels), activation())

        blocks = [nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1), activation())]
        for above in (width, 2 * width, 4 * width):
            blocks.append(block(nn.Conv2d(above, 2 * above, 4, 2, 1)))
            blocks.append(block(nn.Conv2d(2 * above, 2 * above, 3, 1, 1)))
        score = nn.Sequential(nn.Flatten(), nn.Linear(8 * width * (size // 8) ** 2, 1))
        super().__init__(blocks, score)


def build(config: Config) -> tuple[Generator, Discriminator]:
    network, size, channels = config.network, config.size, config.channels
    return (
        Generator(network.z_dim, network.width_g, size, channels, network.norm_g),
        Discriminator(network.width_d, size, channels, network.norm_d, activation_d(network)),
    )
