"""One look at the generator's samples: Q and D through a judge, and the grid that is shown. The same
latents every time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .diversity import Diversity, james_stein_entropy
from .judges import Judge
from .quality import quality
from .sample_grid import BATCH, Sampler, to_pixels
from .undisturbed import undisturbed


@dataclass(frozen=True)
class Look:
    #: By the names of their series.
    values: dict[str, float | Tensor]
    #: What is shown: uint8 ``[N, H, W]`` or ``[N, H, W, 3]``.
    pixels: Tensor
    #: The judge's quality of each image shown, if there is a judge.
    scores: list[float]


class Evaluator:
    """Judges ``n_eval`` samples, and once as many real images, and keeps the first ``n_grid`` samples to be
    shown.

    ``judge=None``: only samples are drawn, none are judged.
    """

    def __init__(
        self, sampler: Sampler, judge: Judge | None, real: Tensor | None, n_eval: int, n_grid: int
    ) -> None:
        self.sampler = sampler
        self.judge = judge
        self.n_eval, self.n_grid = n_eval, n_grid
        self.n_real = 0 if real is None else len(real)
        self.real = self._diversity_of(real.to(sampler.device)) if judge and real is not None else None

    def look(self) -> Look:
        shown: list[Tensor] = []
        qualities: list[Tensor] = []
        modes: list[Tensor] = []
        with undisturbed(self.sampler.G):
            for images in self.sampler.batches(self.n_eval if self.judge else self.n_grid):
                missing = self.n_grid - sum(map(len, shown))
                shown.append(images[: max(0, missing)])
                if self.judge:
                    of_each, mode = self.judge.score(images)
                    qualities.append(of_each)
                    modes.append(mode)
        pixels = to_pixels(torch.cat(shown)) if self.n_grid else torch.empty(0)
        if not self.judge or self.real is None:
            return Look({}, pixels, [])
        of_all = torch.cat(qualities)
        Q, D = quality(of_all), _diversity(torch.cat(modes), self.judge.m)
        values: dict[str, float | Tensor] = {
            "quality": Q.mean,
            "quality_se": Q.standard_error,
            "diversity": D.entropy,
            "diversity_se": D.standard_error,
            "diversity_share": D.share,
            "diversity_real": self.real.entropy,
            "modes_seen": D.modes_seen,
            "shrinkage": D.shrinkage,
        }
        named = {f"{name}/{self.judge.name}": value for name, value in values.items()}
        return Look(named, pixels, of_all[: len(pixels)].tolist())

    def _diversity_of(self, images: Tensor) -> Diversity:
        assert self.judge
        with undisturbed(), torch.no_grad():
            modes = [self.judge.score(batch)[1] for batch in torch.split(images, BATCH)]
        return _diversity(torch.cat(modes), self.judge.m)


def _diversity(modes: Tensor, m: int) -> Diversity:
    """D of the samples that have a mode; the counts cross to the host."""
    counts = torch.bincount(modes[modes >= 0].cpu(), minlength=m)
    return james_stein_entropy(counts.numpy(), m)
