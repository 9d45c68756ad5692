"""Batches of real images on the device, shuffled, with a position that a checkpoint can hold."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor

from trainer.data.ahead import Ahead
from trainer.data.image_set import to_unit_range
from trainer.errors import DataError
from trainer.randomness import derived

#: What the seed of mirroring is derived by, after the position; the orders of passes are derived by one
#: number.
MIRROR: Final = 5


class Drawn(NamedTuple):
    """Indices into the set, and which of them are shown mirrored."""

    indices: Tensor
    mirrored: Tensor | None


class Shuffled:
    """An endless stream of batches in [-1, 1]: pass after pass over the images, each pass in an order of its
    own.

    The order of a pass follows from (seed, pass) alone, so the number of images drawn is the whole position:
    a checkpoint holds it, and nothing else in the process can disturb it.

    With ``ranks``, each of several processes draws its part: n ranks with a batch b see together exactly what
    one process with a batch n b sees, in that order, and the position counts what all have drawn.
    ``mirror`` shows every image left to right reversed with probability 1/2, also a function of the position.

    The images stay uint8. On a GPU they lie in its memory if a quarter of what is free holds them; otherwise
    a thread gathers the next batch into pinned memory and starts its copy while this one is trained on.
    """

    def __init__(
        self,
        images: Tensor,
        batch: int,
        seed: int,
        device: torch.device,
        *,
        labels: Tensor | None = None,
        rank: int = 0,
        ranks: int = 1,
        mirror: bool = False,
    ) -> None:
        self.images = images.to(device) if _fits(images, device) else images
        self.labels = labels if labels is None else labels.to(self.images.device)
        self.batch = batch
        self.seed = seed
        self.device = device
        self.rank = rank
        self.ranks = ranks
        self.mirror = mirror
        self.drawn = 0
        self._order: tuple[int, Tensor] = (-1, torch.empty(0, dtype=torch.int64))
        self._crossing: Ahead[tuple[Tensor, Tensor | None, torch.cuda.Event]] | None = None

    def draw_labelled(self) -> tuple[Tensor, Tensor | None]:
        """The next batch, float32 [batch, C, H, W] on the device, and where the data has classes its labels,
        int64 [batch].
        """
        position, self.drawn = self.drawn, self.drawn + self.batch * self.ranks
        if self.device.type == "cuda" and not self.images.is_cuda:
            pixels, labels = self._crossed(position)
        else:
            pixels, labels = self._gathered(self._at(position))
        return to_unit_range(pixels), labels

    def state_dict(self) -> dict[str, int]:
        return {"drawn": self.drawn, "images": len(self.images)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        if state["images"] != len(self.images):
            raise DataError(
                f"the checkpoint was trained on {state['images']} images and the data now has "
                f"{len(self.images)}: pass the --data it was trained on"
            )
        self.drawn = state["drawn"]

    def _at(self, position: int) -> Drawn:
        """This rank's part of the batch that begins there, which may reach over two or more passes."""
        whole = torch.cat(list(self._indices(position, self.batch * self.ranks)))
        part = slice(self.rank * self.batch, (self.rank + 1) * self.batch)
        if not self.mirror:
            return Drawn(whole[part], None)
        generator = torch.Generator().manual_seed(derived(self.seed, position, MIRROR))
        mirrored = torch.rand(len(whole), generator=generator)[part] < 0.5
        if self.images.is_cuda:
            mirrored = mirrored.pin_memory().to(self.device, non_blocking=True)
        return Drawn(whole[part], mirrored)

    def _indices(self, position: int, missing: int) -> Iterator[Tensor]:
        while missing:
            number, offset = divmod(position, len(self.images))
            part = self._order_of_pass(number)[offset : offset + missing]
            position += len(part)
            missing -= len(part)
            yield part

    def _order_of_pass(self, number: int) -> Tensor:
        if self._order[0] != number:
            generator = torch.Generator().manual_seed(derived(self.seed, number))
            order = torch.randperm(len(self.images), generator=generator)
            # Once a pass, so that no batch waits for its indices to cross.
            self._order = (number, order.to(self.images.device, non_blocking=True))
        return self._order[1]

    def _gathered(self, drawn: Drawn) -> tuple[Tensor, Tensor | None]:
        """uint8 images and labels, where the images lie."""
        pixels = self.images[drawn.indices]
        if drawn.mirrored is not None:
            pixels = torch.where(drawn.mirrored[:, None, None, None], pixels.flip(3), pixels)
        return pixels, None if self.labels is None else self.labels[drawn.indices]

    def _crossed(self, position: int) -> tuple[Tensor, Tensor | None]:
        """The same from the host's memory, copied while the batch before was trained on."""
        if self._crossing is None:
            stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            self._crossing = Ahead(lambda start: self._cross(start, stream))
        pixels, labels, arrived = self._crossing.take(position, then=self.drawn)
        trains = torch.cuda.current_stream(self.device)
        trains.wait_event(arrived)
        for tensor in (pixels, labels):
            if tensor is not None:
                # Its memory was given out for the copying stream, and is used on this one.
                tensor.record_stream(trains)
        return pixels, labels

    def _cross(
        self, position: int, stream: torch.cuda.Stream
    ) -> tuple[Tensor, Tensor | None, torch.cuda.Event]:
        pixels, labels = self._gathered(self._at(position))
        with torch.cuda.stream(stream):
            # What crosses from other than pinned memory is waited for.
            there = pixels.pin_memory().to(self.device, non_blocking=True)
            named = None if labels is None else labels.pin_memory().to(self.device, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(stream)
        return there, named, arrived


def _fits(images: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return images.nbytes <= free // 4
