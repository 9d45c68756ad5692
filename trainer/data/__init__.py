"""Training images: read once, kept as uint8, served shuffled.

``load`` reads what a configuration names: the digits that scikit-learn carries, a folder of images, or a
packed ``.npz`` (``data``: uint8 stream of encoded images, ``offset``: n + 1 positions in it, optionally
``label``). An image that cannot be read is named, counted and skipped.
"""

import io
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from trainer.config import Config
from trainer.data.image_set import ImageSet, to_unit_range
from trainer.data.stream import Shuffled
from trainer.errors import DataError

__all__ = ["ImageSet", "Shuffled", "fit", "load", "to_unit_range"]

logger = logging.getLogger(__name__)

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def load(config: Config) -> ImageSet:
    if config.dataset == "digits":
        return load_digits()
    path = config.data
    if path is None:
        raise DataError("no images to train on: pass --data PATH, a folder of images or a packed .npz")
    if path.is_dir():
        return load_folder(path, config.size, config.channels)
    if path.is_file() and path.suffix == ".npz":
        return load_packed(path, config.size, config.channels)
    found = "is neither a folder nor an .npz file" if path.exists() else "does not exist"
    raise DataError(f"{path.absolute()} {found}: pass --data PATH, a folder of images or a packed .npz")


def load_digits() -> ImageSet:
    """1797 handwritten digits, 8x8, 17 grey levels spread over 0 to 255."""
    from sklearn.datasets import load_digits as load_from_sklearn  # noqa: PLC0415  slow to import, and only digits need it

    digits = load_from_sklearn()
    images = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8)).unsqueeze(1)
    return ImageSet(images, torch.from_numpy(digits.target.astype(np.int64)))


def load_folder(folder: Path, size: int, channels: int) -> ImageSet:
    """Every image below ``folder``, in the order of their paths."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise DataError(
            f"{folder.absolute()} holds no images ({', '.join(sorted(SUFFIXES))}): pass another --data PATH"
        )
    names = [str(path.relative_to(folder)) for path in paths]
    images, _, skipped = _decode_all(names, lambda i: paths[i].read_bytes(), size, channels, folder)
    return ImageSet(images, None, skipped)


def load_packed(path: Path, size: int, channels: int) -> ImageSet:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ("data", "offset", "label") if name in archive.files}
    except Exception as problem:
        raise DataError(f"{path.absolute()} cannot be read as .npz: {problem}") from problem
    stream, offset, label = arrays.get("data"), arrays.get("offset"), arrays.get("label")
    if stream is None or offset is None:
        raise DataError(f"{path.absolute()} lacks the arrays data and offset: it is not a packed image set")
    names = [f"image {i}" for i in range(len(offset) - 1)]
    images, kept, skipped = _decode_all(
        names, lambda i: stream[offset[i] : offset[i + 1]].tobytes(), size, channels, path
    )
    return ImageSet(
        images, None if label is None else torch.from_numpy(label.astype(np.int64)[kept]), skipped
    )


def _decode_all(
    names: Sequence[str], read: Callable[[int], bytes], size: int, channels: int, source: Path
) -> tuple[Tensor, list[int], tuple[tuple[str, str], ...]]:
    """The readable images, their indices, and the names and faults of the others."""
    pixels = np.empty((len(names), size, size, channels), np.uint8)

    def decode(i: int) -> str | None:
        try:
            pixels[i] = fit(read(i), size, channels)
        except Exception as fault:  # noqa: BLE001  a decoder may raise anything at all over damaged bytes
            return f"{type(fault).__name__}: {fault}"
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = list(pool.map(decode, range(len(names))))
    kept = [i for i, fault in enumerate(faults) if fault is None]
    skipped = tuple((name, fault) for name, fault in zip(names, faults, strict=True) if fault is not None)
    for name, fault in skipped[:10]:
        logger.warning("%s: skipped %s (%s)", source, name, fault)
    if skipped:
        logger.warning("%s: skipped %d of %d images that cannot be read", source, len(skipped), len(names))
    if not kept:
        raise DataError(
            f"{source.absolute()}: none of its {len(names)} images can be read: pass another --data PATH"
        )
    whole = pixels if not skipped else pixels[kept]
    return torch.from_numpy(whole).permute(0, 3, 1, 2).contiguous(), kept, skipped


def fit(encoded: bytes, size: int, channels: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Upright, as grey or colour, the largest centred square scaled to ``size``: uint8 [size, size,
    channels].
    """
    with Image.open(io.BytesIO(encoded)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    if upright.size != (size, size):
        upright = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(upright).reshape(size, size, channels)
