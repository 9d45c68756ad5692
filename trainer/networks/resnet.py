"""The residual networks of GN and PGN (Wu et al., ICCV 2021, appendix and code).

Nearest-neighbour upsampling; a block of D is as wide inside as its output; average pooling at the end;
Kaiming normal weights, biases 0; ReLU. Channels and other sizes: ``residual.ladder``.

====  ==================================  =======================================================  ==========
size  G                                   D                                                        w (G / D)
====  ==================================  =======================================================  ==========
32    256x4x4; three blocks of 256        128, 128 halving; 128, 128 plain                         256 / 128
48    512x6x6; 256, 128, 64               64, 128, 256, 512 halving                                64 / 64
128   1024x4x4; 1024, 512, 256, 128, 64   64, 128, 256, 512, 1024 halving; 1024 plain              64 / 64
256   1024x4x4; 1024, 512, 512, 256,      64, 128, 256, 512, 512, 1024 halving; 1024 plain         64 / 64
      128, 64
====  ==================================  =======================================================  ==========
"""

from trainer.config import Config
from trainer.networks.layers import activation_d
from trainer.networks.residual import ResidualDiscriminator, ResidualGenerator, residual_blocks


def build(config: Config) -> tuple[ResidualGenerator, ResidualDiscriminator]:
    network, size, channels = config.network, config.size, config.channels
    activation = activation_d(network)
    blocks, last = residual_blocks(size, network.width_d, channels, activation, narrow=False)
    return (
        ResidualGenerator(
            network.z_dim, network.width_g, size, channels, norm=network.norm_g, mode="nearest"
        ),
        ResidualDiscriminator(blocks, last, activation=activation, pooling=network.pool_d),
    )
