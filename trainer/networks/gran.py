"""The residual networks of GraN (Bhaskara et al., WACV 2022): SN-GAN's (Miyato et al. 2018) with spectral
normalization taken out.

Bilinear upsampling; a block of D is as wide inside as its input; **sum** pooling at the end (mean for
WGAN-GP); Xavier uniform weights with gain sqrt(2) in residual branches and 1 in shortcuts and linear layers;
ReLU. Channels and other sizes: ``residual.ladder``.

====  ==================================  =======================================================  ==========
size  G                                   D                                                        w (G / D)
====  ==================================  =======================================================  ==========
32    256x4x4; three blocks of 256        128, 128 halving; 128, 128 plain                         256 / 128
48    512x6x6; 256, 128, 64               64, 128, 256, 512 halving; 1024 plain                    64 / 64
128   1024x4x4; 1024, 512, 256, 128, 64   64, 128, 256, 512, 1024 halving; 1024 plain              64 / 64
====  ==================================  =======================================================  ==========
"""

from trainer.config import Config
from trainer.networks.layers import activation_d
from trainer.networks.residual import (
    ResidualDiscriminator,
    ResidualGenerator,
    down_block,
    residual_blocks,
)


def build(config: Config) -> tuple[ResidualGenerator, ResidualDiscriminator]:
    network, size, channels = config.network, config.size, config.channels
    activation = activation_d(network)
    blocks, last = residual_blocks(size, network.width_d, channels, activation, narrow=True)
    if size == 48:
        blocks.append(down_block(last, 2 * last, activation, hidden=last, halves=False))
        last *= 2
    return (
        ResidualGenerator(
            network.z_dim, network.width_g, size, channels, norm=network.norm_g, mode="bilinear"
        ),
        ResidualDiscriminator(blocks, last, activation=activation, pooling=network.pool_d),
    )
