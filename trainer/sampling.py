"""What a generator takes, for whoever samples it beside training."""

import torch
from torch import Tensor

from trainer.config import Network
from trainer.probes.sample_grid import LatentSource, normal_latents


def latents_of(network: Network) -> LatentSource:
    """z ~ N(0, I); for conditional generators with it a class, each as probable as any other."""
    if network.classes == 0:
        return normal_latents((network.z_dim,))

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        z = torch.randn(n, network.z_dim, generator=generator)
        return z, torch.randint(network.classes, (n,), generator=generator)

    return draw
