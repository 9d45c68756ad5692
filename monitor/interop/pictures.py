"""Pictures of a log, which may be anything: only what trackers write is opened, and nothing is run for it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
#: The largest that the service takes, too, is far below.
MOST_PIXELS = 2**26
#: What a file raises that is no picture, or half of one.
BROKEN_IMAGE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def open_image(file: Path | BinaryIO) -> npt.NDArray[np.uint8]:
    """uint8 ``[H, W, 3]``. Raises one of ``BROKEN_IMAGE``."""
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels are more than {MOST_PIXELS}")
        return np.asarray(image.convert("RGB"))
