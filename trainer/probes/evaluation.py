"""Looks at the generator's samples: Q and D through judges, and the grids that are shown. The same latents
every time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from . import declarations
from .diversity import Diversity, james_stein_entropy
from .judges import Described, Scores, mode_names
from .judging import Answer, Here, Moment, Panel
from .leading_modes import leading_modes
from .quality import quality, recognized
from .recorder import Series
from .sample_grid import BATCH, Sampler
from .undisturbed import undisturbed

#: How many of the best and of the worst samples are shown.
EXTREMES = 16
#: How many of the modes that most samples fall into are shown.
LEADING = 8
#: Between the names of modes in a caption.
NAMES_APART = " · "


@dataclass(frozen=True)
class Grid:
    name: str
    caption: str
    #: uint8 ``[N, H, W]`` or ``[N, H, W, 3]``
    pixels: Tensor
    #: The quality of each image, if a judge gives it.
    scores: list[float]


@dataclass(frozen=True)
class Look:
    """What is known of the samples of one moment; None for the real images."""

    moment: Moment | None
    #: By the names of their series.
    values: dict[str, float | Tensor]
    grids: list[Grid]
    #: Why no judge answers any more; empty if they do.
    problem: str


class Evaluator:
    """Has ``n_eval`` samples judged, and once as many real images, and shows the first ``n_grid`` samples and
    the best and the worst.

    A panel without judges: only samples are drawn and shown.
    """

    def __init__(self, sampler: Sampler, panel: Panel, real: Tensor | None, n_eval: int, n_grid: int) -> None:
        self.sampler = sampler
        self.panel = panel
        self.n_eval, self.n_grid = n_eval, n_grid
        #: Marks whose samples were not judged, because those of others still waited.
        self.skipped = 0
        #: Marks whose samples were given to the judges and are not judged.
        self.waiting: list[Moment] = []
        #: Diversity of the real images, by judge.
        self.real: dict[str, Diversity] = {}
        self.n_real = 0 if real is None else len(real)
        self._unjudged = Here()
        if panel.judges and real is not None:
            with undisturbed(sampler.G), torch.no_grad():
                panel.ask(None, (batch.to(sampler.device) for batch in torch.split(real, BATCH)))
            if panel.room is None:
                panel.wait(0)
            for look in self.looks():
                if look.problem:
                    raise ValueError(look.problem)

    def series(self) -> Iterator[Series]:
        yield from declarations.judged(self.panel.judges, self.n_eval, self.n_real)
        if self.panel.room:
            yield declarations.skipped_evaluations()

    def judges_next(self) -> bool:
        """Whether there are judges and they have room."""
        has_room = self.panel.room is None or len(self.waiting) < self.panel.room
        return bool(self.panel.judges) and has_room

    def expects_answers(self) -> bool:
        return self.panel.pending + self._unjudged.pending > 0

    def look(self, moment: Moment) -> dict[str, float]:
        """Draw samples, and have them judged if there is room. Returns what is known at once: how many marks
        were not judged for want of it.
        """
        judged = self.judges_next()
        if judged:
            self.waiting.append(moment)
        elif self.panel.judges:
            self.skipped += 1
        if n := self.n_eval if judged else self.n_grid:
            with undisturbed(self.sampler.G):
                (self.panel if judged else self._unjudged).ask(moment, self.sampler.batches(n))
        return {"skipped_evaluations": float(self.skipped)} if self.panel.room else {}

    def looks(self) -> Iterator[Look]:
        """What has been found out since."""
        for answer in [*self._unjudged.answers(), *self.panel.answers()]:
            if answer.moment is None:
                self.real |= self._diversities(answer)
                yield Look(None, {}, [], answer.problem)
                continue
            if answer.moment in self.waiting and not answer.problem:
                self.waiting.remove(answer.moment)
            yield Look(answer.moment, self._values(answer), self._grids(answer), answer.problem)

    def wait(self, seconds: float) -> None:
        """Until all is answered, at most for so long."""
        self._unjudged.wait(seconds)
        self.panel.wait(seconds)

    def dismiss(self) -> list[Moment]:
        """No judge is asked again. Returns what they leave unanswered."""
        self.panel.close()
        self.panel = Here()
        unanswered, self.waiting = self.waiting, []
        return unanswered

    def _diversities(self, answer: Answer) -> dict[str, Diversity]:
        return {
            judge.name: _diversity(mode, judge.m)
            for judge in self.panel.judges
            if judge.m is not None
            and judge.name in answer.scores
            and (mode := answer.scores[judge.name].mode) is not None
        }

    def _values(self, answer: Answer) -> dict[str, float | Tensor]:
        values: dict[str, float | Tensor] = {}
        for judge in self.panel.judges:
            if judge.name in answer.scores:
                numbers = self._numbers(judge, answer.scores[judge.name])
                values |= {f"{name}/{judge.name}": number for name, number in numbers.items()}
        return values

    def _numbers(self, judge: Described, scores: Scores) -> dict[str, float | Tensor]:
        numbers: dict[str, float | Tensor] = {}
        if scores.quality is not None:
            Q = quality(scores.quality)
            numbers |= {
                "quality": Q.mean,
                "quality_se": Q.standard_error,
                "recognized": recognized(scores.quality),
            }
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

    def _grids(self, answer: Answer) -> list[Grid]:
        if self.n_grid == 0:
            return []
        first = answer.pixels[: self.n_grid]
        caption = "Samples from latents that never change"
        qualities = [scores.quality for scores in answer.scores.values() if scores.quality is not None]
        leading = list(self._leading(answer, qualities[0] if qualities else None))
        if not qualities:
            return [Grid("samples", caption, first, []), *leading]
        of_each = qualities[0]
        by_quality = of_each.nan_to_num(nan=-1.0).argsort(descending=True, stable=True)
        best, worst = by_quality[:EXTREMES], by_quality.flip(0)[:EXTREMES]
        n = len(of_each)
        return [
            Grid("samples", caption, first, of_each[: len(first)].tolist()),
            Grid("samples/best", f"The best of {n}", answer.pixels[best], of_each[best].tolist()),
            Grid("samples/worst", f"The worst of {n}", answer.pixels[worst], of_each[worst].tolist()),
            *leading,
        ]

    def _leading(self, answer: Answer, quality: Tensor | None) -> Iterator[Grid]:
        """A sample of each mode that most samples fall into; the scores are shares, the caption names."""
        for judge in self.panel.judges:
            mode = answer.scores[judge.name].mode if judge.name in answer.scores else None
            if mode is None or not (mode >= 0).any():
                continue
            found = leading_modes(mode, quality, LEADING)
            names = found.names(mode_names(judge))
            pixels = answer.pixels[found.samples]
            yield Grid(f"modes/{judge.name}", NAMES_APART.join(names), pixels, found.shares.tolist())


def _diversity(modes: Tensor, m: int) -> Diversity:
    """D of the samples that have a mode."""
    return james_stein_entropy(torch.bincount(modes[modes >= 0], minlength=m).numpy(), m)
