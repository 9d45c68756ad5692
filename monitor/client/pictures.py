"""The image grids of a run: copied when they are logged, encoded beside training."""

from __future__ import annotations

from collections.abc import Iterable
from time import time as now
from typing import Any, SupportsIndex

from monitor.client.images import ImageStore, Pixels, digest_of, encode_grid, grid_shape, to_pixels
from monitor.client.keeper import Keeper
from monitor.client.marks import NO_MARK, Mark, place_of
from monitor.client.spool import Spool
from monitor.client.values import Rejected, to_float, to_index, to_name
from monitor.protocol import Image

#: Grids that wait for their encoding; a loop that logs them faster than that must not fill the memory.
MOST_WAITING = 64


class Pictures:
    """Turns images into records, in the order of logging."""

    def __init__(self, spool: Spool, keeper: Keeper) -> None:
        self._spool = spool
        self._keeper = keeper
        self._store = ImageStore(spool.directory)
        self._logged = 0
        self._encoded = 0

    def log(
        self,
        name: str,
        images: Any,
        *,
        step: SupportsIndex,
        mark: Mark,
        caption: str,
        scores: Iterable[Any],
    ) -> None:
        """Raises ``Rejected``."""
        if self._logged - self._encoded >= MOST_WAITING:
            raise Rejected(f"comes while {MOST_WAITING} others wait for being encoded")
        pixels = to_pixels(images)
        rows, columns = grid_shape(len(pixels))
        index, attempt = place_of(mark, self._spool.attempt)
        numbers = [to_float(score) for score in scores]
        if len(numbers) not in {0, len(pixels)}:
            raise Rejected(f"has {len(numbers)} scores for {len(pixels)} images; each has one, or none has")
        record = Image(
            sequence=1,
            time=now(),
            name=to_name(name),
            step=to_index(step, "step"),
            digest="",
            mark=None if index == NO_MARK else index,
            caption=str(caption),
            rows=rows,
            columns=columns,
            scores=numbers,
        )
        self._logged += 1
        self._keeper.defer(lambda: self._keep(record, pixels, attempt))

    def _keep(self, record: Image, pixels: Pixels, attempt: int) -> None:
        self._encoded += 1
        data = encode_grid(pixels)
        record.digest = digest_of(data)
        if not self._spool.has_room(len(data)):
            raise OSError("no room for an image: the spool has reached its limit")
        self._spool.grew(self._store.add(record.digest, data))
        self._spool.append(record, attempt)
