"""Generators and discriminators, one file an architecture.

A generator maps latents ``[N, z_dim]`` to images ``[N, C, H, W]`` in [-1, 1]; a discriminator maps images to
one number a sample, ``[N]``.
"""

from collections.abc import Callable
from typing import Final

from torch import nn

from trainer.config import Architecture, Config
from trainer.networks import dcgan, small

BUILDERS: Final[dict[Architecture, Callable[[Config], tuple[nn.Module, nn.Module]]]] = {
    "small": small.build,
    "dcgan": dcgan.build,
}


def build(config: Config) -> tuple[nn.Module, nn.Module]:
    """The generator and discriminator that ``config`` names, initialized from torch's global generator."""
    G, D = BUILDERS[config.network.architecture](config)
    if config.network.init == "normal":
        G.apply(initialize_normal)
        D.apply(initialize_normal)
    return G, D


def initialize_normal(layer: nn.Module) -> None:
    """DCGAN's: weights N(0, 0.02), biases 0, batch norm's gain N(1, 0.02)."""
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)
