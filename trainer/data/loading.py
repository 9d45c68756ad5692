"""The images that a configuration names: decoded once, kept as uint8."""

from pathlib import Path
from typing import Final

import numpy as np
import torch

from trainer.config import Config
from trainer.data.cache import decoded, default_folder
from trainer.data.catalogue import KNOWN, from_torchvision
from trainer.data.image_set import ImageSet
from trainer.data.sources import SUFFIXES, Source, folder_source, packed_source
from trainer.errors import DataError

ANY_IMAGES: Final = "pass --data PATH, a folder of images or a packed .npz"


def load(config: Config, cache: Path | None = None) -> ImageSet:
    """``cache``: the folder of decoded images (default: ``decoded`` in GANWATCH_DIR or in ./.ganwatch)."""
    if config.dataset == "digits":
        return load_digits()
    images = decoded(
        find(config.dataset, config.data), config.size, config.channels, cache or default_folder()
    )
    images.labels_for(config.network.classes)
    return images


def load_reference(path: Path, size: int, channels: int, cache: Path | None = None) -> ImageSet:
    """Images to compare with: a folder or a packed archive."""
    return decoded(find("images", path), size, channels, cache or default_folder())


def find(dataset: str, path: Path | None) -> Source:
    """Where the images lie; an error that says what to get and where to put it."""
    known = KNOWN.get(dataset)
    what = f"{known.title}: {known.how_to_get(dataset)}" if known else ANY_IMAGES
    if path is None:
        raise DataError(f"no images to train on: {what}")
    if path.is_file() and path.suffix == ".npz":
        return packed_source(dataset, path)
    if not path.is_dir():
        found = "is neither a folder nor an .npz file" if path.exists() else "does not exist"
        raise DataError(f"{path.absolute()} {found}: {what}")
    source = known.find(dataset, path) if known else folder_source(dataset, path)
    if source is None:
        if known:
            raise DataError(
                f"{path.absolute()} does not hold {what}; for images of your own add --dataset images"
            )
        raise DataError(
            f"{path.absolute()} holds no images ({', '.join(sorted(SUFFIXES))}): pass another --data PATH"
        )
    return source


def fetch(dataset: str, folder: Path) -> None:
    """Downloads a data set that torchvision can download, and only because it was asked for."""
    known = KNOWN.get(dataset)
    if known is None or known.torchvision is None:
        able = ", ".join(name for name, one in KNOWN.items() if one.torchvision)
        how = f" {known.how_to_get(dataset)}" if known else ""
        raise DataError(f"{dataset} cannot be fetched, only {able} can.{how}")
    folder.mkdir(parents=True, exist_ok=True)
    from_torchvision(dataset, folder, download=True)


def load_digits() -> ImageSet:
    """1797 handwritten digits, 8x8, 17 grey levels spread over 0 to 255."""
    from sklearn.datasets import load_digits as load_from_sklearn  # noqa: PLC0415  slow to import, and only digits need it

    digits = load_from_sklearn()
    images = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8)).unsqueeze(1)
    return ImageSet(images, torch.from_numpy(digits.target.astype(np.int64)), name="digits")
