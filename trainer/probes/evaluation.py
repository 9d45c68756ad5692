"""One look at the generator's samples: Q and D through judges, and the grid that is shown. The same latents
every time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .diversity import Diversity, james_stein_entropy
from .judges import Judge, Scores, joined
from .quality import quality
from .sample_grid import BATCH, Sampler, to_pixels
from .undisturbed import undisturbed


@dataclass(frozen=True)
class Look:
    #: By the names of their series.
    values: dict[str, float | Tensor]
    #: What is shown: uint8 ``[N, H, W]`` or ``[N, H, W, 3]``.
    pixels: Tensor
    #: The quality of each image shown, if a judge gives it.
    scores: list[float]


class Evaluator:
    """Judges ``n_eval`` samples, and once as many real images, and keeps the first ``n_grid`` samples to be
    shown.

    Without judges only samples are drawn, and none are judged.
    """

    def __init__(
        self, sampler: Sampler, judges: Sequence[Judge], real: Tensor | None, n_eval: int, n_grid: int
    ) -> None:
        self.sampler = sampler
        self.judges = judges
        self.n_eval, self.n_grid = n_eval, n_grid
        self.n_real = 0 if real is None else len(real)
        #: Diversity of the real images, by judge.
        self.real: dict[str, Diversity] = {} if real is None else self._diversity_of(real.to(sampler.device))

    def look(self) -> Look:
        shown: list[Tensor] = []
        scores: dict[str, list[Scores]] = {judge.name: [] for judge in self.judges}
        with undisturbed(self.sampler.G):
            for images in self.sampler.batches(self.n_eval if self.judges else self.n_grid):
                missing = self.n_grid - sum(map(len, shown))
                shown.append(images[: max(0, missing)])
                for judge in self.judges:
                    scores[judge.name].append(judge.score(images))
        pixels = to_pixels(torch.cat(shown)) if self.n_grid else torch.empty(0)
        values: dict[str, float | Tensor] = {}
        of_shown: list[float] = []
        for judge in self.judges:
            of_all = joined(scores[judge.name])
            numbers = self._numbers(judge, of_all)
            values |= {f"{name}/{judge.name}": number for name, number in numbers.items()}
            if of_all.quality is not None and not of_shown:
                of_shown = of_all.quality[: len(pixels)].tolist()
        return Look(values, pixels, of_shown)

    def _numbers(self, judge: Judge, scores: Scores) -> dict[str, float | Tensor]:
        numbers: dict[str, float | Tensor] = {}
        if scores.quality is not None:
            Q = quality(scores.quality)
            numbers |= {"quality": Q.mean, "quality_se": Q.standard_error}
        if scores.mode is not None and judge.m is not None:
            D = _diversity(scores.mode, judge.m)
            numbers |= {
                "diversity": D.entropy,
                "diversity_se": D.standard_error,
                "diversity_share": D.share,
                "diversity_real": self.real[judge.name].entropy,
                "modes_seen": D.modes_seen,
                "shrinkage": D.shrinkage,
            }
        return numbers

    def _diversity_of(self, images: Tensor) -> dict[str, Diversity]:
        diversities: dict[str, Diversity] = {}
        with undisturbed(), torch.no_grad():
            for judge in self.judges:
                if judge.m is not None:
                    _, mode = joined([judge.score(batch) for batch in torch.split(images, BATCH)])
                    assert mode is not None
                    diversities[judge.name] = _diversity(mode, judge.m)
        return diversities


def _diversity(modes: Tensor, m: int) -> Diversity:
    """D of the samples that have a mode; the counts cross to the host."""
    counts = torch.bincount(modes[modes >= 0].cpu(), minlength=m)
    return james_stein_entropy(counts.numpy(), m)
