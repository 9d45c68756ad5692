"""A judge of any data set, labelled or not: bins of real images, found by k-means.

The mode of an image is the bin whose centre is nearest, in the space of an embedding (default: its pixels,
averaged down to 16 a side). A generator that drops modes leaves bins empty, and D falls; it says nothing of
quality. Close to the bins of Richardson and Weiss (2018, "On GANs and GMMs"). Healthy: D near that of real
images, which fill the bins unevenly.

Fitted once on the training set from a generator of its own, so that the same data give the same bins, and
cached under a hash of the embedded data and of this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from . import Scores
from .cache import Cached, key_of

#: Pixels a side that the default embedding keeps.
SIDE: Final = 16
BINS: Final = 50
#: Images that the bins are found from, and rounds of the search at most.
MOST: Final = 20_000
ROUNDS: Final = 100
#: Images that are embedded at a time.
BATCH: Final = 512

#: Images ``[N, C, H, W]`` in [-1, 1] to vectors ``[N, d]``.
Embedding = Callable[[Tensor], Tensor]


def pixels(images: Tensor) -> Tensor:
    """The default embedding."""
    height, width = (min(side, SIDE) for side in images.shape[-2:])
    return adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)


class KMeansJudge:
    """A ``Judge`` that tells modes and no quality. ``centres``: ``[m, d]``."""

    gives_quality = False

    def __init__(self, centres: Tensor, embedding: Embedding = pixels, name: str = "kmeans") -> None:
        self.name = name
        self.embedding = embedding
        self.centres = centres
        self.m = len(centres)
        self.modes = tuple(f"bin {number}" for number in range(self.m))
        self.help = (
            f"Judged by which of {self.m} bins a sample falls into: regions around typical real images, "
            "found by k-means."
        )

    @torch.no_grad()
    def score(self, images: Tensor) -> Scores:
        embedded = self.embedding(images)
        if embedded.dim() != 2 or embedded.shape[1] != self.centres.shape[1]:
            raise ValueError(
                f"{self.name} has bins in {self.centres.shape[1]} dimensions, and images "
                f"{list(images.shape)} are embedded as {list(embedded.shape)}: pass images like those it was "
                "fitted on"
            )
        self.centres = self.centres.to(images.device)
        distance, nearest = torch.cdist(embedded, self.centres).min(dim=1)
        return Scores(None, torch.where(distance.isfinite(), nearest, -1))


def kmeans_judge(
    images: Tensor,
    *,
    m: int = BINS,
    embedding: Embedding = pixels,
    name: str = "kmeans",
    cache: Path | None = None,
    device: torch.device | str = "cpu",
) -> KMeansJudge:
    """The judge of ``images`` ``[N, C, H, W]``, floats in [-1, 1] or uint8: from ``cache`` or freshly fitted
    on ``device`` and put there.
    """
    if images.dim() != 4 or not 2 <= m <= len(images):
        raise ValueError(
            f"k-means needs images [N, C, H, W] and from 2 to N bins, not {list(images.shape)} and m = {m}"
        )
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(images), generator=generator, device="cpu")[:MOST]
    embedded = torch.cat([_embed(images[part], embedding, device) for part in torch.split(chosen, BATCH)])
    cached = Cached(name, key_of(embedded, str(m), Path(__file__)), cache)
    stored = cached.read()
    if stored is None:
        stored = {"centres": kmeans(embedded, m)}
        cached.write(stored)
    return KMeansJudge(stored["centres"].to(device), embedding, name)


@torch.no_grad()
def kmeans(points: Tensor, m: int) -> Tensor:
    """``m`` centres ``[m, d]`` of ``points`` ``[n, d]``: k-means++, then Lloyd's rounds until nothing moves.

    A bin that runs empty begins again at the point that is farthest from its centre.
    """
    generator = torch.Generator().manual_seed(0)
    centres = points[torch.randint(len(points), (1,), generator=generator, device="cpu")]
    nearest_yet = torch.cdist(points, centres).squeeze(1).square()
    while len(centres) < m:
        # Among equal points any is as good as another.
        chances = nearest_yet.double().cpu() + torch.finfo(torch.float64).tiny
        chosen = points[torch.multinomial(chances, 1, generator=generator).to(points.device)]
        centres = torch.cat([centres, chosen])
        nearest_yet = torch.minimum(nearest_yet, torch.cdist(points, chosen).squeeze(1).square())
    before = None
    for _ in range(ROUNDS):
        distance, bins = torch.cdist(points, centres).min(dim=1)
        if before is not None and torch.equal(bins, before):
            break
        counts = torch.bincount(bins, minlength=m)
        sums = torch.zeros_like(centres).index_add_(0, bins, points)
        empty = counts == 0
        sums[empty] = points[distance.topk(m).indices[: int(empty.sum())]]
        centres = sums / counts.clamp(min=1)[:, None]
        before = bins
    return centres


def _embed(images: Tensor, embedding: Embedding, device: torch.device | str) -> Tensor:
    images = images.float().div(127.5).sub(1) if images.dtype == torch.uint8 else images.float()
    with torch.no_grad():
        return embedding(images.to(device)).float()
