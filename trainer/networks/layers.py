"""The layers that networks are built of, besides torch's own."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from trainer.config import Network, Normalization

#: Makes a new module at each call: an activation that stands in two places is two modules.
MakeActivation = Callable[[], nn.Module]
Upsampling = Literal["nearest", "bilinear"]


def activation_d(network: Network) -> MakeActivation:
    """The discriminator's activation: ReLU, leaky ReLU, ELU, or softplus ``log(1 + exp(beta x)) / beta``."""
    match network.activation_d:
        case "relu":
            return nn.ReLU
        case "leaky-relu":
            return lambda: nn.LeakyReLU(network.slope)
        case "elu":
            return nn.ELU
        case "softplus":
            return lambda: nn.Softplus(network.beta)


def norm_layers(norm: Normalization, channels: int) -> list[nn.Module]:
    """Unpacked into a ``Sequential``: nothing, or one batch norm."""
    return [nn.BatchNorm2d(channels)] if norm == "batch" else []


def upsample(mode: Upsampling, scale: int = 2) -> nn.Upsample:
    """To so many times the height and width."""
    return nn.Upsample(scale_factor=scale, mode=mode, align_corners=False if mode == "bilinear" else None)


class SumPool(nn.Module):
    """``[N, C, H, W]`` to ``[N, C]``: the sum over a channel's pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))


class MeanPool(nn.Module):
    """``[N, C, H, W]`` to ``[N, C]``: the mean over a channel's pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))
