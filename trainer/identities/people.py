"""Whose face each image shows: a folder a person, a list as CelebA has, or a packed archive."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.sources import Files, Packed, Readable, image_files, stamp
from trainer.errors import DataError

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class People:
    images: Readable
    #: Which person each image shows, -1 for nobody that counts.
    person: Numbers
    names: tuple[str, ...]
    #: Tells these images and labels from any others.
    stamp: str

    def with_at_least(self, images: int) -> "People":
        """Those who have so many."""
        counts = np.bincount(self.person[self.person >= 0], minlength=len(self.names))
        stay = np.flatnonzero(counts >= images)
        if len(stay) < 2:
            raise DataError(
                f"{len(stay)} of {len(self.names)} people have {images} images or more, and diversity needs "
                "two people: lower --at-least"
            )
        number = np.full(len(self.names) + 1, -1)
        number[stay] = np.arange(len(stay))
        return People(
            self.images, number[self.person], tuple(self.names[i] for i in stay), f"{self.stamp} {images}"
        )


def people_of(images: Path, labels: Path | None) -> People:
    """``labels``: a list like CelebA's identity_CelebA.txt, a file's name and a person a line. Without one,
    ``images`` is a folder with a folder a person, or a packed .npz with labels (and names, as ``identity``).
    """
    if images.is_file():
        if labels is not None:
            raise DataError(f"{images.absolute()} has labels of its own: leave out --labels")
        return _packed(images)
    if not images.is_dir():
        raise DataError(f"{images.absolute()} is neither a folder nor an .npz file: pass another --images")
    return _of_folders(images) if labels is None else _listed(images, labels)


def _packed(path: Path) -> People:
    packed = Packed(path)
    if packed.labels is None:
        raise DataError(f"{path.absolute()} lacks the array label: it does not say who is who")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        names = archive["identity"].tolist() if "identity" in archive else None
    people = int(packed.labels.max()) + 1
    names = names or [str(i) for i in range(people)]
    if packed.labels.min() < 0 or people > len(names):
        raise DataError(
            f"{path.absolute()} has labels from {packed.labels.min()} to {people - 1} and {len(names)} "
            "names: pack it anew"
        )
    return People(packed, packed.labels, tuple(map(str, names)), stamp(path.parent, [path.name]))


def _of_folders(folder: Path) -> People:
    paths = sorted(path for path in image_files(folder) if len(Path(path).parts) > 1)
    return _named(folder, paths, [Path(path).parts[0] for path in paths], "a folder for each person", "")


def _listed(folder: Path, labels: Path) -> People:
    try:
        lines = [line.split() for line in labels.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"--labels {labels.absolute()} cannot be read: {problem}") from problem
    wrong = next((i for i, line in enumerate(lines, 1) if len(line) != 2), None)
    if wrong is not None:
        raise DataError(
            f"{labels.absolute()}, line {wrong}: expected a file's name and a person, as CelebA has"
        )
    person = dict(lines)
    paths = sorted(path for path in image_files(folder) if Path(path).name in person)
    of = stamp(labels.parent, [labels.name])
    return _named(folder, paths, [person[Path(path).name] for path in paths], f"images of {labels}", of)


def _named(folder: Path, paths: list[str], who: list[str], wanted: str, listed: str) -> People:
    if not paths:
        raise DataError(f"{folder.absolute()} holds no images where there should be {wanted}")
    names, person = np.unique(who, return_inverse=True)
    return People(
        Files(folder, paths), person.astype(np.int64), tuple(names.tolist()), stamp(folder, paths) + listed
    )
