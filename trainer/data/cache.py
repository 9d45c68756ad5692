"""Decoded images on the disk: each set is decoded once, and mapped into memory ever after.

A set of one source, size and number of channels has a folder of its own, named by a hash of those, with
``pixels``, uint8 [N, C, H, W] without a header, and ``ledger``, which says what of them is whole. At every
start all pixels are compared with their checksums, about a gigabyte a second and thread. Decoding goes on at
the first block that is missing or damaged, so a start that was killed and a disk that rots are mended in the
same way; what another process has mapped is only ever overwritten with the same bytes. Of processes that
start at once, one decodes and the others wait. The folder may be deleted when nobody trains.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import torch
from tqdm import tqdm

from trainer.data.decoding import Pixels, fit
from trainer.data.image_set import ImageSet
from trainer.data.ledger import Block, Head, Ledger
from trainer.data.sources import Readable, Source
from trainer.errors import DataError

logger = logging.getLogger(__name__)

#: Part of every key: another layout, or another way to fit an image, is another number.
FORMAT: Final = 1
#: Pixels that are decoded, checked and lost together.
BLOCK_BYTES: Final = 32 * 2**20


def default_folder() -> Path:
    return Path(os.environ.get("GANWATCH_DIR") or ".ganwatch") / "decoded"


def decoded(source: Source, size: int, channels: int, folder: Path) -> ImageSet:
    """The images of ``source``, decoded now or earlier."""
    key = hashlib.sha256(f"{FORMAT} {source.name} {source.stamp} {size} {channels}".encode()).hexdigest()[:32]
    place = folder / key
    try:
        cache = Cache(place, (channels, size, size))
        if not cache.is_whole():
            place.mkdir(parents=True, exist_ok=True)
            with _alone(place):
                cache = Cache(place, (channels, size, size))
                cache.complete(source)
            tell_others(place)
    except OSError as problem:
        raise DataError(
            f"decoded images cannot be kept in {place.absolute()}: {problem}. "
            "Set GANWATCH_DIR to a folder with room for them"
        ) from problem
    tell_skipped(cache, source)
    return cache.image_set(source.name, key)


class Cache:
    def __init__(self, place: Path, shape: tuple[int, int, int]) -> None:
        self.pixels = place / "pixels"
        self.ledger = Ledger(place / "ledger")
        self.shape = shape
        self.image_bytes = int(np.prod(shape))

    def is_whole(self) -> bool:
        return self.ledger.is_complete() and len(self._whole_blocks()) == len(self.ledger.blocks)

    def complete(self, source: Source) -> None:
        """Decodes what is missing or damaged."""
        whole = self._whole_blocks()
        if self.ledger.is_complete() and len(whole) == len(self.ledger.blocks):
            return
        if len(whole) < len(self.ledger.blocks):
            logger.warning("%s: decoded images are damaged and decoded anew", self.pixels.absolute())
        images = source.read()
        self.ledger.begin(Head(len(images), str(source.place.absolute())), whole)
        missing = len(images) - self.ledger.read
        self._require_room(missing)
        if whole:
            logger.info(
                "%s: %d of %d images are decoded already", source.place, self.ledger.read, len(images)
            )
        block = max(1, BLOCK_BYTES // self.image_bytes)
        with (
            self.pixels.open("r+b" if self.pixels.exists() else "x+b") as file,
            ThreadPoolExecutor(os.cpu_count()) as pool,
            tqdm(total=missing, desc=f"decoding {source.name}", unit="image", disable=None) as progress,
        ):
            for start in range(self.ledger.read, len(images), block):
                chosen = range(start, min(start + block, len(images)))
                file.seek(self.ledger.kept * self.image_bytes)
                self.ledger.append(self._decode(images, chosen, file, pool))
                progress.update(len(chosen))

    def image_set(self, name: str, fingerprint: str) -> ImageSet:
        blocks = self.ledger.blocks
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            images = torch.from_numpy(self._mapped(0, self.ledger.kept))
        labels = [label for block in blocks for label in block.labels or ()]
        return ImageSet(
            images,
            torch.tensor(labels, dtype=torch.int64) if labels else None,
            tuple((name, fault) for block in blocks for name, fault in block.skipped),
            name,
            fingerprint,
        )

    def _decode(self, images: Readable, chosen: range, file: BinaryIO, pool: ThreadPoolExecutor) -> Block:
        """One block, at the position of the open file; on the disk when this returns."""

        def decode(i: int) -> Pixels | str:
            try:
                with images.open(i) as image:
                    return fit(image, self.shape[1], self.shape[0])
            except Exception as fault:  # noqa: BLE001  a decoder may raise anything at all over damaged bytes
                return f"{type(fault).__name__}: {fault}"

        results = list(zip(chosen, pool.map(decode, chosen), strict=True))
        kept = [(i, result) for i, result in results if not isinstance(result, str)]
        skipped = [(images.title(i), result) for i, result in results if isinstance(result, str)]
        pixels = b"".join(result.tobytes() for _, result in kept)
        file.write(pixels)
        file.flush()
        os.fsync(file.fileno())
        labels = None if images.labels is None else [int(images.labels[i]) for i, _ in kept]
        return Block(len(chosen), len(kept), zlib.crc32(pixels), labels, skipped)

    def _whole_blocks(self) -> list[Block]:
        """Those before the first whose pixels are not what they were."""
        blocks = self.ledger.blocks
        starts = [0, *np.cumsum([block.kept for block in blocks]).tolist()]

        def is_whole(i: int) -> bool:
            return self._holds(starts[i + 1]) and (
                zlib.crc32(self._mapped(starts[i], starts[i + 1])) == blocks[i].crc
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            damaged = (i for i, whole in enumerate(pool.map(is_whole, range(len(blocks)))) if not whole)
            return blocks[: next(damaged, len(blocks))]

    def _holds(self, images: int) -> bool:
        return images == 0 or (
            self.pixels.exists() and self.pixels.stat().st_size >= images * self.image_bytes
        )

    def _mapped(self, start: int, end: int) -> Pixels:
        if start == end:
            return np.empty((0, *self.shape), np.uint8)
        shape = (end - start, *self.shape)
        return np.memmap(self.pixels, np.uint8, "r", start * self.image_bytes, shape)

    def _require_room(self, images: int) -> None:
        there = self.pixels.stat().st_size if self.pixels.exists() else 0
        wanted = (self.ledger.kept + images) * self.image_bytes - there
        free = shutil.disk_usage(self.pixels.parent).free
        if wanted > free:
            raise DataError(
                f"{images} decoded images take {wanted / 1e9:.1f} GB and {self.pixels.parent.absolute()} "
                f"has {free / 1e9:.1f} GB left: set GANWATCH_DIR to a folder with more room"
            )


def tell_others(place: Path) -> None:
    """Sets that were decoded before stay: who changes a folder of images, or their size, has both."""
    others = [pixels for pixels in place.parent.glob("*/pixels") if pixels.parent != place]
    if others:
        taken = sum(pixels.stat().st_size for pixels in others) / 1e9
        counted = "1 other set takes" if len(others) == 1 else f"{len(others)} other sets take"
        logger.info("decoded images of %s %.1f GB in %s", counted, taken, place.parent.absolute())


def tell_skipped(cache: Cache, source: Source) -> None:
    blocks = cache.ledger.blocks
    skipped = [pair for block in blocks for pair in block.skipped]
    for name, fault in skipped[:10]:
        logger.warning("%s: skipped %s (%s)", source.place, name, fault)
    if skipped:
        counts = (source.place, len(skipped), cache.ledger.read)
        logger.warning("%s: skipped %d of %d images that cannot be read", *counts)
    if cache.ledger.kept == 0:
        raise DataError(
            f"{source.place.absolute()}: none of its {cache.ledger.read} images can be read: "
            "pass another --data PATH"
        )


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """No other process decodes into ``place`` meanwhile."""
    with (place / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: another process decodes these images; waiting for it", place.absolute())
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
