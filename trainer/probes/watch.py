"""Three lines in anybody's training loop that measure it.

    watch = Watch(G, D, run, critic=h, real=loader, judge=digits_judge(), z=128)
    ...
    watch.step(real=x, fake=g)      # after every generator step, with the last batches
    watch.epoch()                   # at epoch ends: an evaluation mark

Watching changes nothing: weights, buffers, gradients, modes and random states are, bit for bit, what they
would be without. What a probe needs and was not given is refused before the first step, by an error that
says what to pass. What fails later (memory that ran out, a judge that breaks) costs that probe, with one
warning, and never the training.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn

from .evaluation import Evaluator
from .judges import Judge
from .judges.beside import Beside
from .judging import Moment
from .preparation import batch_of, missing, panel_of, rehearse, sampler_of, schedule, unwrapped
from .probe import Batch, Score, Subject
from .real_images import draw_real
from .recorder import Recorder, Series
from .registry import PROBES, Every
from .sample_grid import LatentSource
from .saturation import Limits
from .stability import Stability
from .undisturbed import undisturbed

logger = logging.getLogger(__name__)

#: How long the end of a run waits for judges beside training, in seconds.
PATIENCE: Final = 60.0


@dataclass(frozen=True)
class Evaluation:
    """The mark that ``epoch`` made."""

    mark: int
    #: What is known of it already, by series. Judges beside training, and those on a GPU, answer later.
    values: Mapping[str, float | Tensor]


class Watch:
    """Measures a GAN while it trains, and logs what it measures into ``run``.

    G, D:       the trained networks, also inside DistributedDataParallel or torch.compile. Of several
                processes one watches.
    run:        what ``monitor.init`` returns, or anything with ``log`` and ``log_images``.
    critic:     what the loss sees of D, called with images: a normalized critic, a module or a function that
                may call others besides D. Default: D itself.
    generator_loss: what the generator minimizes, of the critic's scores of its samples, [N] -> [N] or [].
    saturation: where scores end to matter (``saturation.Limits``), for the share of those beyond.
    G_ema:      the generator that is sampled and judged. Default: G.
    real:       real images to compare with, in [-1, 1] or uint8: a tensor [N, C, H, W], a dataset or its
                loader.
    judge:      scores samples (``judges/``), or several: Q and D are each the first one's that gives them.
                ``Beside(judges)`` has them judge in a process of their own, so that training does not wait.
                Default: a classifier fitted on ``real`` where its items are (image, class), else bins of it
                by k-means (``judges.fitted``).
    z:          what G takes for one sample: its latent's size, or shape, or (n, generator) -> inputs, which
                is a tensor or a tuple of them (latents and labels). Default: normal latents of the size that
                G seems to take.
    every:      changes of ``preparation.SCHEDULE``, as {"gradient_norms": 100, "quality": None}.
    n_eval:     how many samples are judged at a mark, and how many real images once.
    n_grid:     how many samples are shown.
    seed:       of the latents and of the choice of real images, in generators of their own.
    everything: angles over all parameters, biases and gains too.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        run: Any,
        *,
        critic: Score | None = None,
        generator_loss: Callable[[Tensor], Tensor] | None = None,
        saturation: Limits | None = None,
        G_ema: nn.Module | None = None,
        real: object = None,
        judge: Judge | Sequence[Judge] | Beside | None = None,
        z: int | Sequence[int] | LatentSource | None = None,
        every: Mapping[str, Every] | None = None,
        n_eval: int = 1000,
        n_grid: int = 64,
        seed: int = 0,
        everything: bool = False,
    ) -> None:
        self.every = schedule(every or {})
        self.recorder = Recorder(run)
        self.steps = 0
        self.marks = 0
        critic = D if critic is None else critic
        networks = {"g": unwrapped(G), "d": unwrapped(D)}
        if G_ema is not None and unwrapped(G_ema) is not networks["g"]:
            networks["g_ema"] = unwrapped(G_ema)
        self.stability = Stability(networks, self.every, everything=everything)
        self.subject = Subject(
            networks["g"],
            networks["d"],
            critic=unwrapped(critic) if isinstance(critic, nn.Module) else critic,
            generator_loss=generator_loss,
            saturation=saturation,
            sampler=sampler_of(networks.get("g_ema", networks["g"]), z, seed, self.every),
            real=None if real is None else draw_real(real, n_eval, seed),
        )
        #: Probes of the critic that still work, and the last batches for them.
        self.probes = {name: listed.make(self.subject) for name, listed in PROBES.items() if self.every[name]}
        self.batches: tuple[Batch, Batch] | None = None
        self.evaluator: Evaluator | None = None
        with ExitStack() as unless_made:
            if self.subject.sampler and (self.every["quality"] or self.every["samples"]):
                panel = panel_of(judge, self.subject, real, self.every)
                unless_made.callback(panel.close)
                self.evaluator = Evaluator(
                    self.subject.sampler,
                    panel,
                    self.subject.real,
                    n_eval,
                    n_grid if self.every["samples"] else 0,
                )
            #: Modules that the critic calls besides D; None until it has been called.
            self.others = rehearse(self.subject, self.probes)
            for series in self._series():
                self.recorder.declare(series)
            unless_made.pop_all()
        self.recorder.before_finish(self.finish)

    def step(
        self,
        *,
        real: Tensor | Sequence[Tensor] | None = None,
        fake: Tensor | Sequence[Tensor] | None = None,
        step: int | None = None,
    ) -> None:
        """After every generator step, with the last real and generated batch.

        A batch is images, or with what the critic takes beside them: ``real=(x, y), fake=(g, y)``. ``step``
        counts from 1, by itself if not given. If it is given, from one call to the next it grows by as much
        as ever: a turn of the weights over another stretch is not measured.
        """
        self.steps = self.steps + 1 if step is None else step
        with self._survives("angles"):
            self.recorder.log(self.stability.step(self.steps), self.steps)
        if self.evaluator and self.evaluator.expects_answers():
            self._record_looks()
        if not self.probes:
            return
        if real is None or fake is None:
            raise missing(list(self.probes), "step(real=x, fake=g), the last batches")
        self.batches = batch_of(real), batch_of(fake)
        for name in [name for name in self.probes if self._is_due(name)]:
            with self._survives(name):
                self.recorder.log(self._measured(name), self.steps)

    def epoch(
        self, *, epoch: float | None = None, images_seen: int | None = None, step: int | None = None
    ) -> Evaluation:
        """At the end of an epoch, after its last ``step``: a mark, and all that is measured at marks.

        ``epoch`` counts from 1, by itself if not given.
        """
        step = self.steps if step is None else step
        self.marks += 1
        self._record_looks()
        judges = self.evaluator is not None and self.evaluator.judges_next()
        expected = [*self.stability.of_marks(), *(self._judged() if judges else ())]
        roles = [series.role for series in expected if series.role]
        roles += ["late"] if judges and self.evaluator and self.evaluator.panel.room else []
        mark = self.recorder.mark(step, self.marks if epoch is None else epoch, images_seen, roles)
        values: dict[str, float | Tensor] = {}
        with self._survives("epoch_angles"):
            values |= self.stability.mark()
        for name in [name for name in self.probes if self.every[name] == "epoch"]:
            with self._survives(name):
                values |= self._measured(name)
        values |= self._look(Moment(step, mark))
        self.recorder.log(values, step, mark)
        return Evaluation(mark, values)

    def finish(self) -> None:
        """At the end of the run, which ``monitor``'s does by itself: wait for what is still being judged."""
        if not self.evaluator:
            return
        self.evaluator.wait(PATIENCE)
        self._record_looks()
        if self.evaluator and (unanswered := self.evaluator.dismiss()):
            logger.warning("%d marks stay unjudged: the run has ended %g s ago", len(unanswered), PATIENCE)

    def state_dict(self) -> dict[str, Any]:
        """What a training that goes on from a checkpoint needs to log the very same numbers."""
        skipped = self.evaluator.skipped if self.evaluator else 0
        probes = {name: probe.state_dict() for name, probe in self.probes.items()}
        counted = {"steps": self.steps, "marks": self.marks, "skipped": skipped}
        return {**counted, "probes": probes, **self.stability.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """After the networks have theirs: a probe that the checkpoint did not have begins from them."""
        self.steps, self.marks = state.get("steps", 0), state.get("marks", 0)
        if self.evaluator:
            self.evaluator.skipped = state.get("skipped", 0)
        self.stability.load_state_dict(state)
        for name, probe in self.probes.items():
            if name in state.get("probes", {}):
                probe.load_state_dict(state["probes"][name])

    @contextmanager
    def _survives(self, *probes: str) -> Iterator[None]:
        """A probe that fails is left out from then on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on
            self._give_up(repr(error), *probes)

    def _give_up(self, problem: str, *probes: str) -> None:
        logger.warning("%s cannot be measured any more: %s", " and ".join(probes), problem)
        self.every |= dict.fromkeys(probes)
        self.probes = {name: probe for name, probe in self.probes.items() if name not in probes}
        self.stability.forget(*probes)
        if self.evaluator and "quality" in probes:
            roles = [series.name for series in self._judged() if series.role]
            for moment in self.evaluator.dismiss():
                # They were expected: a gap that is known ends the waiting for them.
                self.recorder.log(dict.fromkeys(roles, math.nan), *moment)
            if "samples" in probes:
                self.evaluator = None

    def _look(self, moment: Moment) -> Mapping[str, float | Tensor]:
        """Draw samples; returns what is known of them at once."""
        if not self.evaluator:
            return {}
        values: dict[str, float | Tensor] = {}
        with self._survives("quality", "samples"):
            values |= self.evaluator.look(moment)
        return values | self._record_looks(moment)

    def _record_looks(self, now: Moment | None = None) -> dict[str, float | Tensor]:
        """Log what the judges have said since. Returns instead what belongs to ``now``."""
        of_now: dict[str, float | Tensor] = {}
        for look in list(self.evaluator.looks()) if self.evaluator else ():
            if look.moment:
                for grid in look.grids:
                    self.recorder.log_images(grid.name, grid.pixels, look.moment, grid.caption, grid.scores)
                if look.moment == now:
                    of_now |= look.values
                else:
                    self.recorder.log(look.values, *look.moment)
            if look.problem and self.every["quality"]:
                self._give_up(look.problem, "quality")
        return of_now

    def _is_due(self, probe: str) -> bool:
        every = self.every[probe]
        return isinstance(every, int) and self.steps % every == 0

    def _measured(self, name: str) -> Mapping[str, Tensor]:
        if self.batches is None:
            raise missing([name], "a step(real=x, fake=g) before the first epoch()")
        real, fake = (batch.widened() for batch in self.batches)
        with undisturbed(*self.subject.called, *(self.others or ())) as visit:
            with visit.finding() if self.others is None else nullcontext():
                values = self.probes[name].measure(real, fake)
            self.others = visit.found if self.others is None else self.others
        return values

    def _series(self) -> Iterator[Series]:
        yield from self.stability.of_steps()
        for probe in self.probes.values():
            yield from probe.series()
        yield from self.stability.of_marks()
        yield from self._judged()

    def _judged(self) -> Iterator[Series]:
        if self.evaluator:
            yield from self.evaluator.series()
