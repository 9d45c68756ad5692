"""Normalized critics, one sample at a time, gradients by central differences, pixel by pixel. Use float64."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]


def gradient_norm(f: Score, image: Tensor, width: float = 1e-6) -> float:
    """|grad f| at one image ``[C, H, W]``."""
    squares = []
    for pixel in range(image.numel()):
        nudge = torch.zeros(image.numel(), dtype=image.dtype)
        nudge[pixel] = width
        nudge = nudge.reshape(image.shape)
        slope = (f((image + nudge)[None]) - f((image - nudge)[None])).item() / (2 * width)
        squares.append(slope**2)
    return math.sqrt(math.fsum(squares))


def gradient_normalized(f: Score, image: Tensor) -> float:
    """GN: f / (|grad f| + |f|), and 0 where that is 0/0."""
    value, norm = f(image[None]).item(), gradient_norm(f, image)
    return 0.0 if value == 0.0 and norm == 0.0 else value / (norm + abs(value))
