"""The data sets by name: what they are, where one gets them and under which terms, and how they are found
below the folder that ``--data`` names.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trainer.data.sources import (
    Arrays,
    Readable,
    Source,
    folder_source,
    lmdb_source,
    stamp,
)
from trainer.errors import DataError


@dataclass(frozen=True)
class Known:
    title: str
    #: Where one gets it.
    home: str
    terms: str
    #: What must lie in the folder that ``--data`` names.
    layout: str
    #: Finds it there; None where it is not.
    find: Callable[[str, Path], Source | None]
    #: torchvision's class that can fetch it, and what that is called with.
    torchvision: tuple[str, Mapping[str, Any]] | None = None

    def how_to_get(self, name: str) -> str:
        fetch = f" `gantrain fetch {name} --data DIR` does both." if self.torchvision else ""
        return f"Get it from {self.home} ({self.terms}) and pass --data DIR with {self.layout} in DIR.{fetch}"


def find_cifar(name: str, folder: Path) -> Source | None:
    inner = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[name]
    root = beside(folder, inner)
    if root is None:
        return None

    def read() -> Readable:
        data = from_torchvision(name, root)
        return Arrays(data.data, data.targets)

    return Source(name, root, stamp_of_all(root / inner), read)


def find_stl10(name: str, folder: Path) -> Source | None:
    root = beside(folder, "stl10_binary")
    if root is None:
        return None

    def read() -> Readable:
        return Arrays(from_torchvision(name, root).data.transpose(0, 2, 3, 1), None)

    return Source(name, root, stamp_of_all(root / "stl10_binary"), read)


def find_in(*places: str) -> Callable[[str, Path], Source | None]:
    """All images in the first of ``places`` below the folder that is there, else in the folder itself."""

    def find(name: str, folder: Path) -> Source | None:
        inner = next((folder / place for place in places if (folder / place).is_dir()), folder)
        return folder_source(name, inner)

    return find


def find_lsun(name: str, folder: Path) -> Source | None:
    """As its database, or as images that were taken out of it."""
    scene = {"lsun-church": "church_outdoor_train", "lsun-bedroom": "bedroom_train"}[name]
    for place in (folder / f"{scene}_lmdb", folder):
        if (place / "data.mdb").is_file():
            return lmdb_source(name, place)
    return find_in(scene)(name, folder)


def find_tiny_imagenet(name: str, folder: Path) -> Source | None:
    """Its training images; classes are numbered in the order of their folders' names."""
    places = (folder / "tiny-imagenet-200" / "train", folder / "train")
    train = next((place for place in places if place.is_dir()), None)
    if train is None:
        return None
    classes = {
        entry: number
        for number, entry in enumerate(sorted(path.name for path in train.iterdir() if path.is_dir()))
    }
    return folder_source(name, train, classes)


def beside(folder: Path, inner: str) -> Path | None:
    """The folder in which ``inner`` lies, whether that or ``inner`` itself was named."""
    root = folder.parent if folder.absolute().name == inner else folder
    return root if (root / inner).is_dir() else None


def stamp_of_all(folder: Path) -> str:
    return stamp(folder, sorted(entry.name for entry in os.scandir(folder) if entry.is_file()))


def from_torchvision(name: str, root: Path, *, download: bool = False) -> Any:
    # Slow to import, and only these sets need it.
    from torchvision import datasets  # type: ignore[import-untyped]  # noqa: PLC0415

    known = KNOWN[name]
    assert known.torchvision
    kind, arguments = known.torchvision
    try:
        return getattr(datasets, kind)(str(root), download=download, **arguments)
    except (OSError, RuntimeError, EOFError) as problem:
        doing = "fetched into" if download else "read from"
        raise DataError(
            f"{known.title} cannot be {doing} {root.absolute()}: {problem}. {known.how_to_get(name)}"
        ) from problem


IMAGENET_TERMS: Final = "images of ImageNet: non-commercial research and education only"
CIFAR: Final = "https://www.cs.toronto.edu/~kriz/cifar.html"
CIFAR_TERMS: Final = "no licence is stated; cite the technical report"
LSUN_TERMS: Final = "no licence is stated; made for research"

KNOWN: Final[dict[str, Known]] = {
    "cifar10": Known(
        "CIFAR-10, the 50 000 training images",
        CIFAR,
        CIFAR_TERMS,
        "cifar-10-batches-py",
        find_cifar,
        ("CIFAR10", {"train": True}),
    ),
    "cifar100": Known(
        "CIFAR-100, the 50 000 training images",
        CIFAR,
        CIFAR_TERMS,
        "cifar-100-python",
        find_cifar,
        ("CIFAR100", {"train": True}),
    ),
    "stl10": Known(
        "STL-10, the 100 000 unlabeled images",
        "https://cs.stanford.edu/~acoates/stl10",
        IMAGENET_TERMS,
        "stl10_binary",
        find_stl10,
        ("STL10", {"split": "unlabeled"}),
    ),
    "celeba": Known(
        "CelebA, the 202 599 aligned and cropped images",
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        "non-commercial research only",
        "img_align_celeba",
        find_in("celeba/img_align_celeba", "img_align_celeba"),
    ),
    "celeba-hq": Known(
        "CelebA-HQ, 30 000 images",
        "https://github.com/tkarras/progressive_growing_of_gans",
        "CC BY-NC 4.0 over CelebA, which is for non-commercial research only",
        "its images",
        find_in("celeba_hq", "CelebA-HQ-img"),
    ),
    "lsun-church": Known(
        "LSUN church outdoor, 126 227 training images",
        "https://github.com/fyu/lsun",
        LSUN_TERMS,
        "church_outdoor_train_lmdb, or its images,",
        find_lsun,
    ),
    "lsun-bedroom": Known(
        "LSUN bedroom, 3 033 042 training images",
        "https://github.com/fyu/lsun",
        LSUN_TERMS,
        "bedroom_train_lmdb, or its images,",
        find_lsun,
    ),
    "tiny-imagenet": Known(
        "Tiny ImageNet, 100 000 training images of 200 classes",
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        IMAGENET_TERMS,
        "tiny-imagenet-200",
        find_tiny_imagenet,
    ),
}
