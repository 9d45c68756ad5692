"""The mean embedding of each person's images: read, embedded and added up block by block, kept on the way."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from trainer.data.decoding import Pixels, fit
from trainer.data.image_set import to_unit_range
from trainer.errors import DataError
from trainer.identities.framing import LOOKED_AT, typical_crop
from trainer.identities.people import Numbers, People
from trainer.probes.judges.arcface import IdentityBank
from trainer.probes.judges.recognition import Crop, Recognizer

logger = logging.getLogger(__name__)

#: Part of what partial sums are known by: another way to compute them is another number.
FORMAT: Final = 1
#: Images that are read together.
BLOCK: Final = 256


@dataclass
class Sums:
    """How far it came. Of a kill nothing but the last seconds is lost."""

    path: Path
    #: What is added up: sums of anything else are not gone on with.
    key: str
    #: float64 ``[m, d]``, and the images of each person in it.
    sums: Tensor
    counts: Tensor
    #: Images that are done.
    done: int = 0

    def read(self) -> None:
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if str(stored["key"]) == self.key:
                    self.sums = torch.from_numpy(stored["sums"])
                    self.counts = torch.from_numpy(stored["counts"])
                    self.done = int(stored["done"])
        except FileNotFoundError:
            return
        except Exception as problem:  # noqa: BLE001  damage shows as anything at all
            logger.warning("%s is damaged, and the bank is built from the start: %s", self.path, problem)

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.savez(
                    file,
                    key=np.array(self.key),
                    done=np.array(self.done),
                    sums=self.sums.numpy(),
                    counts=self.counts.numpy(),
                )
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(self.path)
            finally:
                temporary.unlink(missing_ok=True)


def build(
    people: People,
    model: Path,
    out: Path,
    *,
    size: int,
    device: torch.device,
    is_normalized: bool = True,
    save_every: float = 10.0,
) -> IdentityBank:
    """The bank of ``people``, written to ``out``; a build that was killed goes on where it was.

    Images are fitted to ``size`` pixels as those that are trained on, since samples are compared with them.
    """
    chosen = np.flatnonzero(people.person >= 0)
    crop = typical_crop(_looked_at(people, chosen, size))
    recognizer = Recognizer(model, crop)
    said = f"{FORMAT} {people.stamp} {recognizer.model} {crop} {size} {is_normalized}"
    width = recognizer.embeddings(torch.zeros(1, 3, size, size)).shape[1]
    m = len(people.names)
    progress = Sums(
        out.with_name(out.name + ".partial"),
        hashlib.sha256(said.encode()).hexdigest(),
        torch.zeros(m, width, dtype=torch.float64),
        torch.zeros(m, dtype=torch.int64),
    )
    progress.read()
    if progress.done:
        logger.info("%s: going on after %d of %d images", progress.path, progress.done, len(chosen))
    saved = monotonic()
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(chosen), initial=progress.done, desc="identities", unit="image", disable=None) as bar,
    ):
        for block in _blocks(chosen[progress.done :]):
            images, person, skipped = _read(people, block, size, pool)
            for fault in skipped:
                logger.warning("skipped %s", fault)
            if len(images):
                found = recognizer.embeddings(to_unit_range(images).to(device)).cpu().double()
                progress.sums.index_add_(0, person, normalize(found) if is_normalized else found)
                progress.counts += torch.bincount(person, minlength=m)
            progress.done += len(block)
            bar.update(len(block))
            if monotonic() - saved >= save_every:
                progress.write()
                saved = monotonic()
    bank = _bank(people, progress, recognizer, crop, is_normalized=is_normalized)
    bank.write(out)
    progress.path.unlink(missing_ok=True)
    return bank


def _bank(
    people: People, progress: Sums, recognizer: Recognizer, crop: Crop, *, is_normalized: bool
) -> IdentityBank:
    """Of those of whom an image could be read."""
    seen = progress.counts.nonzero()[:, 0]
    if len(seen) < 2:
        raise DataError(f"images of {len(seen)} people can be read, and diversity needs two")
    means = progress.sums[seen] / progress.counts[seen, None]
    return IdentityBank(
        means=(normalize(means) if is_normalized else means).float(),
        names=tuple(people.names[i] for i in seen.tolist()),
        counts=progress.counts[seen],
        model=recognizer.model,
        path=str(recognizer.path.absolute()),
        crop=crop,
        is_normalized=is_normalized,
    )


def _looked_at(people: People, chosen: Numbers, size: int) -> Tensor:
    few = chosen[np.linspace(0, len(chosen) - 1, min(LOOKED_AT, len(chosen))).astype(int)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return _read(people, few, size, pool)[0]


def _blocks(chosen: Numbers) -> Iterator[Numbers]:
    for start in range(0, len(chosen), BLOCK):
        yield chosen[start : start + BLOCK]


def _read(
    people: People, block: Numbers, size: int, pool: ThreadPoolExecutor
) -> tuple[Tensor, Tensor, list[str]]:
    """uint8 ``[n, 3, size, size]`` of those that can be read, who they show, and which cannot and why."""

    def decode(i: int) -> Pixels | str:
        try:
            with people.images.open(i) as image:
                return fit(image, size, 3)
        except Exception as fault:  # noqa: BLE001  a decoder may raise anything at all over damaged bytes
            return f"{people.images.title(i)} ({type(fault).__name__}: {fault})"

    decoded = list(zip(block.tolist(), pool.map(decode, block.tolist()), strict=True))
    kept = [(i, pixels) for i, pixels in decoded if not isinstance(pixels, str)]
    skipped = [pixels for _, pixels in decoded if isinstance(pixels, str)]
    if not kept:
        return torch.empty(0, 3, size, size, dtype=torch.uint8), torch.empty(0, dtype=torch.int64), skipped
    images = torch.from_numpy(np.stack([pixels for _, pixels in kept]))
    return images, torch.from_numpy(people.person[[i for i, _ in kept]]), skipped
