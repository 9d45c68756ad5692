"""Discriminators to test critics on: of every architecture, narrow and in float64, and of a few layers."""

from typing import Any, get_args

import torch
from torch import Tensor, nn

from trainer import networks
from trainer.config import Activation, Architecture, Config, Network

#: The smallest images that each takes; gran has a block of its own at 48.
SIZES: dict[Architecture, int] = {"small": 8, "gran": 48}
CLASSES: dict[Architecture, int] = {"biggan": 3}
ARCHITECTURES = get_args(Architecture)


def discriminator(architecture: Architecture, activation: Activation | None = None) -> nn.Module:
    """With gradients that are not small beside its scores, or else what is compared is rounding. The biases
    are drawn too, which initializations leave at 0.
    """
    classes = {"classes": CLASSES[architecture]} if architecture in CLASSES else {}
    activated = {} if activation is None else {"activation_d": activation}
    network: dict[str, Any] = {
        "architecture": architecture,
        "width_g": 4,
        "width_d": 4,
        "init": "kaiming",
        **classes,
        **activated,
    }
    size = SIZES.get(architecture, 16)
    config = Config(recipe="x", dataset="images", size=size, channels=3, network=Network(**network), steps=1)
    torch.manual_seed(0)
    D = networks.build(config)[1].double()
    with torch.no_grad():
        for parameter in D.parameters():
            if parameter.dim() == 1:
                parameter.normal_(0, 0.1)
    return D


def batch(architecture: Architecture, n: int = 4) -> tuple[Tensor, Tensor | None]:
    """Images and, for those that know classes, labels."""
    generator = torch.Generator().manual_seed(1)
    size = SIZES.get(architecture, 16)
    x = torch.rand(n, 3, size, size, generator=generator, dtype=torch.float64) * 2 - 1
    labels = torch.arange(n) % CLASSES[architecture] if architecture in CLASSES else None
    return x, labels


def two_layers(activation: nn.Module) -> nn.Sequential:
    """Of images ``[N, 1, 2, 2]``."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 5), activation, nn.Linear(5, 1), nn.Flatten(0)).double()
