"""Where encoded images come from: a folder, a packed archive, an LMDB database, arrays of torchvision."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from PIL import Image

from trainer.data.decoding import opened
from trainer.errors import DataError

SUFFIXES: Final = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

Labels = np.ndarray[Any, np.dtype[np.int64]]


class Readable(Protocol):
    """Images, one at a time, from several threads."""

    @property
    def labels(self) -> Labels | None: ...
    def __len__(self) -> int: ...
    def title(self, i: int) -> str:
        """What image i is called where it cannot be read."""

    def open(self, i: int) -> Image.Image: ...


@dataclass(frozen=True)
class Source:
    """A set of images that has not been read yet."""

    #: What figures call it.
    name: str
    place: Path
    #: Tells this content from any other: names, sizes and times of change of its files.
    stamp: str
    read: Callable[[], Readable]


class Files:
    """Image files below a folder, in the order of their paths; ``classes`` numbers their top folders."""

    def __init__(self, folder: Path, paths: Sequence[str], classes: Mapping[str, int] | None = None) -> None:
        self.folder = folder
        self.paths = paths
        self.labels: Labels | None = None
        if classes is not None:
            self.labels = np.array([classes[Path(path).parts[0]] for path in paths], np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def title(self, i: int) -> str:
        return self.paths[i]

    def open(self, i: int) -> Image.Image:
        return opened((self.folder / self.paths[i]).read_bytes())


class Packed:
    """An archive: ``data``, a uint8 stream of encoded images; ``offset``, n + 1 positions in it; optionally
    ``label``.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in ("data", "offset", "label") if name in archive}
        except Exception as problem:
            raise DataError(f"{path.absolute()} cannot be read as .npz: {problem}") from problem
        if not {"data", "offset"} <= arrays.keys():
            raise DataError(
                f"{path.absolute()} lacks the arrays data and offset: it is not a packed image set"
            )
        self.stream, self.offset = arrays["data"], arrays["offset"]
        label = arrays.get("label")
        if label is not None and label.shape != (len(self),):
            raise DataError(f"{path.absolute()} has {len(self)} images and {label.size} labels: pack it anew")
        self.labels: Labels | None = None if label is None else label.astype(np.int64)

    def __len__(self) -> int:
        return max(0, len(self.offset) - 1)

    def title(self, i: int) -> str:
        return f"image {i}"

    def open(self, i: int) -> Image.Image:
        return opened(self.stream[self.offset[i] : self.offset[i + 1]].tobytes())


class Arrays:
    """Images that torchvision holds as uint8 [N, H, W, 3]."""

    def __init__(self, images: np.ndarray[Any, np.dtype[np.uint8]], labels: Sequence[int] | None) -> None:
        self.images = images
        self.labels: Labels | None = None if labels is None else np.asarray(labels, np.int64)

    def __len__(self) -> int:
        return len(self.images)

    def title(self, i: int) -> str:
        return f"image {i}"

    def open(self, i: int) -> Image.Image:
        return Image.fromarray(self.images[i])


class Lmdb:
    """A database of encoded images by key, as LSUN comes."""

    labels = None

    def __init__(self, folder: Path) -> None:
        try:
            lmdb = import_module("lmdb")
        except ModuleNotFoundError as problem:
            raise DataError(
                f"{folder.absolute()} is an LMDB database: pip install '.[lsun]' to read it, or pass a "
                "folder with its images"
            ) from problem
        try:
            self.environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
            with self.environment.begin() as transaction:
                self.keys: list[bytes] = list(transaction.cursor().iternext(keys=True, values=False))
        except lmdb.Error as problem:
            raise DataError(f"{folder.absolute()} cannot be read as an LMDB database: {problem}") from problem

    def __len__(self) -> int:
        return len(self.keys)

    def title(self, i: int) -> str:
        return self.keys[i].decode(errors="replace")

    def open(self, i: int) -> Image.Image:
        with self.environment.begin() as transaction:
            return opened(transaction.get(self.keys[i]))


def folder_source(name: str, folder: Path, classes: Mapping[str, int] | None = None) -> Source | None:
    """Every image below ``folder``; None where there is none."""
    paths = sorted(image_files(folder), key=lambda path: path.split(os.sep))
    if not paths:
        return None
    return Source(name, folder, stamp(folder, paths), lambda: Files(folder, paths, classes))


def packed_source(name: str, path: Path) -> Source:
    return Source(name, path, stamp(path.parent, [path.name]), lambda: Packed(path))


def lmdb_source(name: str, folder: Path) -> Source:
    return Source(name, folder, stamp(folder, ["data.mdb"]), lambda: Lmdb(folder))


def image_files(folder: Path) -> list[str]:
    """Paths below ``folder``."""
    return [
        os.path.relpath(os.path.join(inside, name), folder)
        for inside, _, names in os.walk(folder)
        for name in names
        if os.path.splitext(name)[1].lower() in SUFFIXES and os.path.isfile(os.path.join(inside, name))
    ]


def stamp(folder: Path, paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        facts = (folder / path).stat()
        digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
