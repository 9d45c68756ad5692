"""The layers that stand between a convolution and its activation."""

from torch import nn

from trainer.config import Normalization


def norm_layers(norm: Normalization, channels: int) -> list[nn.Module]:
    """Unpacked into a ``Sequential``: nothing, or one batch norm."""
    return [nn.BatchNorm2d(channels)] if norm == "batch" else []
