"""Image grids: arrays to PNG, and the PNG files of a spool until they are delivered."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.client.layout import replace_file
from monitor.client.values import Rejected

Pixels = npt.NDArray[np.uint8]


#: Between the cells of a grid: one pixel of this grey, so that small images do not run into each other.
GAP = 96


def to_pixels(images: Any) -> Pixels:
    """A copy as uint8 ``[N, H, W, C]`` of an array or tensor, also ``[N, C, H, W]``. Raises ``Rejected``."""
    if hasattr(images, "detach"):
        images = images.detach().cpu().numpy()
    pixels = np.array(images)
    if pixels.dtype != np.uint8:
        raise Rejected(f"is {pixels.dtype}; images are uint8, 0 to 255")
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim == 4 and pixels.shape[-1] not in (1, 3, 4) and pixels.shape[1] in (1, 3, 4):
        pixels = np.moveaxis(pixels, 1, -1)
    if pixels.ndim != 4 or 0 in pixels.shape or pixels.shape[-1] not in (1, 3, 4):
        raise Rejected(
            f"has shape {pixels.shape}; images are [N, H, W], [N, H, W, C] or [N, C, H, W], C 1, 3 or 4"
        )
    return pixels


def grid_shape(count: int) -> tuple[int, int]:
    """Rows and columns, as square as it goes."""
    columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def encode_grid(pixels: Pixels) -> bytes:
    """One PNG, images row by row, a pixel of grey between them; cells that remain are grey too."""
    from PIL import Image  # noqa: PLC0415 - most runs start without it

    count, height, width, channels = pixels.shape
    rows, columns = grid_shape(count)
    cells = np.full((rows * columns, height + 1, width + 1, channels), GAP, dtype=np.uint8)
    cells[:count, :height, :width] = pixels
    grid = cells.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grid[..., 0] if channels == 1 else grid)).save(
        stream, "PNG", compress_level=1
    )
    return stream.getvalue()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ImageStore:
    """The images of one spool."""

    def __init__(self, spool: Path) -> None:
        self._directory = spool / "images"

    def add(self, digest: str, data: bytes) -> int:
        """Keep the image; returns the bytes this took (0 where it was there). Raises ``OSError``."""
        path = self._path(digest)
        if path.exists():
            return 0
        self._directory.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)
        return len(data)

    def get(self, digest: str) -> bytes | None:
        try:
            return self._path(digest).read_bytes()
        except OSError:
            return None

    def remove(self, digest: str) -> int:
        """Returns the bytes this freed."""
        path = self._path(digest)
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError:
            return 0
        return size

    def _path(self, digest: str) -> Path:
        return self._directory / f"{digest}.png"
