"""BigGAN at 32 pixels, conditional, as GN and PGN train it on CIFAR-10 (Brock et al. 2019; the networks of
GN's code, without attention).

G is a residual network with nearest-neighbour upsampling whose batch norms take their gains and biases from
the class, and whose linear and convolution layers are divided by their spectral norm (one power iteration
a pass, epsilon 1e-6). D is the residual network of ``resnet`` **without** spectral normalization, with sum
pooling and a projection of the class (Miyato & Koyama 2018): ``f(x, y) = w.p(x) + b + e_y.p(x)``, p the
pooled features. Weights are Xavier uniform, biases 0; ReLU. At 32 pixels all layers have w = 256 channels;
other sizes: ``residual.ladder``.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from trainer.config import Config, Pooling
from trainer.networks.layers import MakeActivation, activation_d, upsample
from trainer.networks.residual import (
    ResidualBlock,
    ResidualDiscriminator,
    doublings,
    ladder,
    residual_blocks,
)


class ClassConditionalNorm(nn.Module):
    """Batch norm whose gain (1 + a number) and bias are learned for each class: ``[N, C, H, W]``, labels
    ``[N]``.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Embedding(classes, channels)
        self.bias = nn.Embedding(classes, channels)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        gain, bias = (table(labels)[:, :, None, None] for table in (self.gain, self.bias))
        y: Tensor = self.norm(x) * (1 + gain) + bias
        return y


class UpBlock(nn.Module):
    """norm-ReLU-double-conv3-norm-ReLU-conv3, shortcut conv1-double, both norms conditional:
    ``[N, above, H, W]`` to ``[N, below, 2H, 2W]``.
    """

    def __init__(self, above: int, below: int, classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ClassConditionalNorm(width, classes) for width in (above, below))
        self.rise = nn.Sequential(nn.ReLU(), upsample("nearest"), nn.Conv2d(above, below, 3, 1, 1))
        self.refine = nn.Sequential(nn.ReLU(), nn.Conv2d(below, below, 3, 1, 1))
        self.shortcut = nn.Sequential(nn.Conv2d(above, below, 1), upsample("nearest"))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        risen = self.rise(self.norms[0](x, labels))
        y: Tensor = self.refine(self.norms[1](risen, labels)) + self.shortcut(x)
        return y


class Generator(nn.Module):
    """Latents ``[N, z_dim]`` and classes ``[N]`` (int64) to images ``[N, C, H, W]`` in [-1, 1].

    Without labels the classes come in turn, 0, 1, 2, ...: whoever knows of none sees all of them alike.
    """

    def __init__(self, z_dim: int, width: int, size: int, channels: int, classes: int) -> None:
        super().__init__()
        widths = ladder(size, width)
        base = size >> doublings(size)
        self.classes = classes
        self.base = (widths[0], base, base)
        self.project = nn.Linear(z_dim, widths[0] * base**2)
        self.blocks = nn.ModuleList(UpBlock(above, below, classes) for above, below in pairwise(widths))
        self.output = nn.Sequential(
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(),
            nn.Conv2d(widths[-1], channels, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is None:
            labels = torch.arange(len(z), device=z.device) % self.classes
        x = self.project(z).unflatten(1, self.base)
        for block in self.blocks:
            x = block(x, labels)
        images: Tensor = self.output(x)
        return images


class Discriminator(ResidualDiscriminator):
    """Images ``[N, C, H, W]`` and their classes ``[N]`` (int64) to scores ``[N]``.

    Without labels: the mean of the scores over all classes, for whoever knows of none.
    """

    def __init__(
        self,
        blocks: list[ResidualBlock],
        width: int,
        classes: int,
        *,
        activation: MakeActivation,
        pooling: Pooling,
    ) -> None:
        super().__init__(blocks, width, activation=activation, pooling=pooling)
        self.projection = nn.Embedding(classes, width)

    def scores(self, pooled: Tensor, labels: Tensor | None) -> Tensor:
        of_class = self.projection.weight.mean(0) if labels is None else self.projection(labels)
        return super().scores(pooled, labels) + (of_class * pooled).sum(1)


def divide_by_spectral_norm(G: nn.Module) -> None:
    """From now on every linear and convolution layer's weight is divided by its spectral norm, kernels
    reshaped to matrices.
    """
    for layer in list(G.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            spectral_norm(layer, eps=1e-6)


def build(config: Config) -> tuple[Generator, Discriminator]:
    network, size, channels = config.network, config.size, config.channels
    activation = activation_d(network)
    blocks, last = residual_blocks(size, network.width_d, channels, activation, narrow=False)
    return (
        Generator(network.z_dim, network.width_g, size, channels, network.classes),
        Discriminator(blocks, last, network.classes, activation=activation, pooling=network.pool_d),
    )
