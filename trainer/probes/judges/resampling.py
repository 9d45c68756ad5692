"""Resampling of images as products of matrices: scaling and cropping are linear, and separate into rows and
columns, so a whole batch of different crops is two batched products and no loop.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, interpolate

#: Bytes of gathered images at a time.
GATHERED: Final = 64 * 2**20


def scaling(size: int, to: int) -> Tensor:
    """Bilinear interpolation of ``size`` pixels to ``to``, as float64 ``[to, size]``."""
    identity = torch.eye(size, dtype=torch.float64)
    return interpolate(identity[:, None], size=to, mode="linear", align_corners=False)[:, 0].T


def averaging(size: int, to: int) -> Tensor:
    """Means over areas: ``size`` pixels to ``to``, as float64 ``[to, size]``."""
    return adaptive_avg_pool1d(torch.eye(size, dtype=torch.float64)[:, None], to)[:, 0].T


def resampled(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``[N, C, h, w]`` of images ``[N, C, H, W]``, by ``rows`` ``[h, H]`` and ``columns`` ``[w, W]``."""
    return rows @ (images @ columns.T)


class Windows:
    """Crops of images that were first resampled by ``rows`` ``[h, H]`` and ``columns`` ``[w, W]``, each
    scaled to a square by means over areas; the resampled images themselves are never made.
    """

    def __init__(self, rows: Tensor, columns: Tensor, device: torch.device) -> None:
        # Differences of sums from the start are sums over windows. Each sum is at most how much larger the
        # image becomes, so that rounding to float32 at the end loses no more than a pixel's own rounding.
        self.rows, self.columns = (_sums(matrix).float().to(device) for matrix in (rows, columns))

    def crops(self, images: Tensor, which: Tensor, boxes: Tensor, to: int) -> Tensor:
        """``[K, C, to, to]``: of ``images[which[k]]`` the box ``boxes[k]``, whole numbers left, top, right
        and bottom, the last two outside.
        """
        n, channels, height, width = images.shape
        by_row = images.permute(0, 2, 1, 3).reshape(n, height, channels * width)
        at_a_time = max(1, GATHERED // (images[0].numel() * images.element_size()))
        found: list[Tensor] = []
        for start in range(0, len(which), at_a_time):
            part = slice(start, start + at_a_time)
            left, top, right, bottom = boxes[part].unbind(dim=1)
            rows = _window_means(self.rows, top, bottom, to)
            columns = _window_means(self.columns, left, right, to)
            lines = torch.bmm(rows, by_row[which[part]]).view(-1, to * channels, width)
            found.append(torch.bmm(lines, columns.mT).view(-1, to, channels, to))
        # Channels last, as convolutions and pooling on a CPU like it.
        return torch.cat(found).permute(0, 2, 1, 3).contiguous(memory_format=torch.channels_last)


def _sums(matrix: Tensor) -> Tensor:
    return torch.cat([matrix.new_zeros(1, matrix.shape[1]), matrix.cumsum(dim=0)])


def _window_means(sums: Tensor, start: Tensor, end: Tensor, to: int) -> Tensor:
    """Of the pixels from ``start`` to ``end`` the means over ``to`` areas, ``[K, to, size]``: area i reaches
    from floor(i n / to) to ceil((i + 1) n / to).
    """
    i = torch.arange(to, device=start.device)
    n = (end - start)[:, None]
    first = start[:, None] + i * n // to
    last = start[:, None] + ((i + 1) * n + to - 1) // to
    return (sums[last] - sums[first]) / (last - first)[..., None]
