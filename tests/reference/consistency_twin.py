"""Consistency regularization's images, pixel by pixel."""

import torch
from torch import Tensor


def moved(image: Tensor, mirrored: bool, down: int, right: int) -> Tensor:
    """``image`` [C, H, W] mirrored, then shifted; -1 where nothing was."""
    channels, height, width = image.shape
    result = torch.full_like(image, -1.0)
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                from_y, from_x = y - down, x - right
                if 0 <= from_y < height and 0 <= from_x < width:
                    result[c, y, x] = image[c, from_y, width - 1 - from_x if mirrored else from_x]
    return result
