"""The residual networks again, as their papers draw them: shortcuts resized where the drawing has it so,
every activation written where it is used, nothing shared. Weights are read from the network under test.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from trainer.networks import autogan, biggan
from trainer.networks.residual import ResidualBlock, ResidualDiscriminator, ResidualGenerator


def convolutions(layers: nn.Sequential) -> list[nn.Conv2d]:
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


def doubled(x: Tensor, mode: str) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode=mode)


def normed(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Batch norm by the statistics of the batch."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    y = (x - mean) / (variance + norm.eps).sqrt()
    if norm.affine:
        y = y * norm.weight[:, None, None] + norm.bias[:, None, None]
    return y


def generated(G: ResidualGenerator, z: Tensor, mode: str) -> Tensor:
    x = F.linear(z, G.project.weight, G.project.bias).reshape(len(z), *G.base)
    for block in G.blocks:
        assert isinstance(block, ResidualBlock)
        first, second = convolutions(block.residual)
        norms = [layer for layer in block.residual if isinstance(layer, nn.BatchNorm2d)]
        y = first(doubled(F.relu(normed(x, norms[0])), mode))
        y = second(F.relu(normed(y, norms[1])))
        x = y + convolutions(block.shortcut)[0](doubled(x, mode))
    norm, last = G.output[0], G.output[2]
    assert isinstance(norm, nn.BatchNorm2d)
    images: Tensor = F.tanh(last(F.relu(normed(x, norm))))
    return images


def generated_by_class(G: biggan.Generator, z: Tensor, labels: Tensor) -> Tensor:
    def conditioned(x: Tensor, norm: biggan.ClassConditionalNorm) -> Tensor:
        gain, bias = norm.gain.weight[labels], norm.bias.weight[labels]
        return normed(x, norm.norm) * (gain[:, :, None, None] + 1) + bias[:, :, None, None]

    x = G.project(z).reshape(len(z), *G.base)
    for block in G.blocks:
        assert isinstance(block, biggan.UpBlock)
        first_norm, second_norm = block.norms
        assert isinstance(first_norm, biggan.ClassConditionalNorm)
        assert isinstance(second_norm, biggan.ClassConditionalNorm)
        y = block.rise[2](doubled(F.relu(conditioned(x, first_norm)), "nearest"))
        y = block.refine[1](F.relu(conditioned(y, second_norm)))
        x = y + block.shortcut[0](doubled(x, "nearest"))
    norm, last = G.output[0], G.output[2]
    assert isinstance(norm, nn.BatchNorm2d)
    images: Tensor = F.tanh(last(F.relu(normed(x, norm))))
    return images


def generated_by_autogan(G: autogan.Generator, z: Tensor) -> Tensor:
    """Three cells, written one after the other."""
    first, second, third = G.cells
    x = G.project(z).reshape(len(z), *G.base)

    early_1 = first.rise[2](doubled(F.relu(x), "nearest"))
    y = first.refine[1](F.relu(early_1)) + first.shortcut[0](doubled(x, "nearest"))

    early_2 = second.rise[2](doubled(F.relu(y), "bilinear"))
    early_2 = early_2 + second.skips[0][0](doubled(early_1, "bilinear"))
    x = second.refine[1](F.relu(early_2)) + second.shortcut[0](doubled(y, "bilinear"))

    early_3 = third.rise[2](doubled(F.relu(x), "nearest"))
    early_3 = early_3 + third.skips[0][0](doubled(doubled(early_1, "nearest"), "nearest"))
    early_3 = early_3 + third.skips[1][0](doubled(early_2, "nearest"))
    y = third.refine[1](F.relu(early_3))

    norm, last = G.output[0], G.output[2]
    images: Tensor = F.tanh(last(F.relu(normed(y, norm))))
    return images


def scored(D: ResidualDiscriminator, images: Tensor, pooling: str) -> Tensor:
    x = images
    for number, block in enumerate(D.blocks):
        assert isinstance(block, ResidualBlock)
        first, second = convolutions(block.residual)
        halves = any(isinstance(layer, nn.AvgPool2d) for layer in block.residual)
        y = second(F.relu(first(x if number == 0 else F.relu(x))))
        shortcut = convolutions(block.shortcut)
        s = shortcut[0](x) if shortcut else x
        x = F.avg_pool2d(y, 2) + F.avg_pool2d(s, 2) if halves else y + s
    pooled = F.relu(x).sum((2, 3))
    if pooling == "mean":
        pooled = pooled / (x.shape[2] * x.shape[3])
    scores: Tensor = D.score(pooled)
    return scores[:, 0]
