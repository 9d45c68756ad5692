"""Normalized critics, one sample at a time, gradients by central differences, pixel by pixel. Use float64."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]


def gradient(f: Score, image: Tensor, width: float = 1e-6) -> list[float]:
    """grad f at one image ``[C, H, W]``, a number a pixel."""
    slopes = []
    for pixel in range(image.numel()):
        nudge = torch.zeros(image.numel(), dtype=image.dtype)
        nudge[pixel] = width
        nudge = nudge.reshape(image.shape)
        slopes.append((f((image + nudge)[None]) - f((image - nudge)[None])).item() / (2 * width))
    return slopes


def length(numbers: list[float]) -> float:
    return math.sqrt(math.fsum(number**2 for number in numbers))


def gradient_norm(f: Score, image: Tensor, width: float = 1e-6) -> float:
    """|grad f| at one image."""
    return length(gradient(f, image, width))


def gradient_normalized(f: Score, image: Tensor) -> float:
    """GN: f / (|grad f| + |f|), and 0 where that is 0/0."""
    return normalized("gn", f, image)


def normalized(name: str, f: Score, image: Tensor, tau: float = 1.0, epsilon: float = 0.0) -> float:
    """h, and 0 where it is 0/0."""
    value, slopes = f(image[None]).item(), gradient(f, image)
    norm = length(slopes)
    match name:
        case "gn":
            above, below = value, norm + abs(value)
        case "gn0":
            above, below = value, norm
        case "gn1":
            above, below = value, norm + 1
        case "pgn":
            above, below = 1 - value, norm + abs(1 - value)
        case "pgn-code":
            above, below = 1 - value, length([1 - slope for slope in slopes]) + abs(1 - value)
        case "gran":
            above, below = value / tau * norm, norm**2 + epsilon
        case _:
            raise ValueError(name)
    return 0.0 if above == below == 0.0 else above / below
