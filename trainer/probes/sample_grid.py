"""What the generator draws from latents that never change: the same places in the grid, step after step.

Healthy: digits, faces sharpen in place and stay different from each other. Sick: cells become alike (modes
are dropped), or all of them leap at once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor, nn

#: Draws ``n`` inputs of the generator: a tensor, or a tuple of tensors that it takes side by side (latents
#: and labels).
LatentSource = Callable[[int, torch.Generator], Tensor | tuple[Tensor, ...]]

#: Small batches stay in a CPU's cache: a thousand images take a third of the time of one large batch.
BATCH: Final = 64


class Sampler:
    """A generator's images from fixed latents. Call it inside ``undisturbed``."""

    def __init__(self, G: nn.Module, latents: LatentSource, seed: int) -> None:
        self.G = G
        self.latents = latents
        self.seed = seed

    @property
    def device(self) -> torch.device:
        first = next(self.G.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    def inputs(self, n: int) -> Iterator[tuple[Tensor, ...]]:
        """What G takes for ``n`` images, batch by batch, the same every time."""
        generator = torch.Generator().manual_seed(self.seed)
        for start in range(0, n, BATCH):
            with torch.device("cpu"):  # where the generator is, whatever the loop's default
                drawn = self.latents(min(BATCH, n - start), generator)
            inputs = drawn if isinstance(drawn, tuple) else (drawn,)
            yield tuple(value.to(self.device, non_blocking=True) for value in inputs)

    @torch.no_grad()
    def batches(self, n: int) -> Iterator[Tensor]:
        """``n`` images batch by batch, from the same latents every time."""
        for inputs in self.inputs(n):
            yield self.G(*inputs)


def normal_latents(shape: Sequence[int]) -> LatentSource:
    """``z ~ N(0, I)`` of ``shape``, drawn on the CPU so that every device sees the same."""
    return lambda n, generator: torch.randn(n, *shape, generator=generator, device="cpu")


def to_pixels(images: Tensor) -> Tensor:
    """uint8 ``[N, H, W]`` or ``[N, H, W, 3]`` of images ``[N, 1 or 3, H, W]`` in [-1, 1]. NaN is drawn
    black.
    """
    pixels = (
        images.detach().float().nan_to_num(nan=-1.0).clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    )
    return pixels.squeeze(1) if pixels.shape[1] == 1 else pixels.permute(0, 2, 3, 1)
