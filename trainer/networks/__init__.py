"""Generators and discriminators, one file an architecture.

A generator ``G(z, labels=None)`` maps latents ``[N, z_dim]`` to images ``[N, C, H, W]`` in [-1, 1]; a
discriminator ``D(images, labels=None)`` maps images to one number a sample, ``[N]``, and offers what its
blocks have seen on the way as ``D.features(images, labels=None)``.

Every architecture is written for the sizes of its paper and takes other multiples of 16 by the rule in its
docstring. ``network.width_g`` and ``width_d`` are the channels nearest to the image; all others are multiples
of them.
"""

from collections.abc import Callable
from typing import Final

from torch import nn

from trainer.config import Architecture, Config
from trainer.networks import autogan, biggan, cnn, dcgan, gran, resnet, small
from trainer.networks.discriminator import Discriminator
from trainer.networks.initialization import initialize

__all__ = ["BUILDERS", "Discriminator", "build", "initialize"]

BUILDERS: Final[dict[Architecture, Callable[[Config], tuple[nn.Module, Discriminator]]]] = {
    "small": small.build,
    "dcgan": dcgan.build,
    "cnn": cnn.build,
    "resnet": resnet.build,
    "gran": gran.build,
    "biggan": biggan.build,
    "autogan": autogan.build,
}


def build(config: Config) -> tuple[nn.Module, Discriminator]:
    """The generator and discriminator that ``config`` names, initialized from torch's global generator."""
    G, D = BUILDERS[config.network.architecture](config)
    for network in (G, D):
        initialize(network, config.network.init)
    if config.network.architecture == "biggan":
        biggan.divide_by_spectral_norm(G)
    return G, D
