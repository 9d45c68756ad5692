"""One encoded image as the pixels that are trained on."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def opened(encoded: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(encoded))
    except UnidentifiedImageError:
        # Its own words name a buffer.
        raise UnidentifiedImageError("no image that Pillow can read") from None


def fit(image: Image.Image, size: int, channels: int) -> Pixels:
    """Upright, as grey or colour, the largest centred square scaled to ``size`` by Lanczos' filter: uint8
    [channels, size, size].

    Of CelebA's aligned images (178 by 218) that square is the crop to 178 by 178 that most GANs of the
    literature train on.
    """
    upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    if upright.size != (size, size):
        upright = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(upright).reshape(size, size, channels).transpose(2, 0, 1)
