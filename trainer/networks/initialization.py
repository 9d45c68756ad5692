"""What weights begin from. Biases begin at 0; batch norm's gains at 1, except DCGAN's."""

from collections.abc import Callable, Iterator
from functools import partial
from math import sqrt
from typing import Final

from torch import Tensor, nn

from trainer.config import Initialization
from trainer.networks.residual import ResidualBlock

WEIGHTED: Final = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)

#: Draws a weight, of any layer.
DRAWS: Final[dict[Initialization, Callable[[Tensor], Tensor]]] = {
    "normal": partial(nn.init.normal_, std=0.02),
    "dcgan": partial(nn.init.normal_, std=0.02),
    "kaiming": nn.init.kaiming_normal_,
    "xavier": nn.init.xavier_uniform_,
    "xavier-residual": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
}


def initialize(network: nn.Module, how: Initialization) -> None:
    """Draws all weights from torch's global generator, in the order of ``network.modules()``.

    ===================  ======================================================================
    ``torch``            as torch left them
    ``normal``           N(0, 0.02^2)
    ``dcgan``            N(0, 0.02^2), and batch norm's gains N(1, 0.02^2) (Radford et al. 2016)
    ``kaiming``          N(0, 2 / fan_in) (He et al. 2015)
    ``xavier``           U(-a, a), a = sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)
    ``xavier-residual``  the same with a sqrt(2) times that in residual branches (SN-GAN)
    ``orthogonal``       a random orthogonal matrix, convolutions reshaped (Saxe et al. 2014)
    ===================  ======================================================================
    """
    if how == "torch":
        return
    boosted = set(convolutions_of_branches(network)) if how == "xavier-residual" else set()
    for layer in network.modules():
        if isinstance(layer, WEIGHTED):
            DRAWS[how](layer.weight)
            if layer in boosted:
                layer.weight.data.mul_(sqrt(2))
            if not isinstance(layer, nn.Embedding) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif how == "dcgan" and isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)


def convolutions_of_branches(network: nn.Module) -> Iterator[nn.Module]:
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            yield from (layer for layer in block.residual if isinstance(layer, nn.Conv2d))
