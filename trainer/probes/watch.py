"""Three lines in anybody's training loop that measure it.

    watch = Watch(G, D, run, critic=h, real=images, judge=digits_judge(), z=128)
    ...
    watch.step(real=x, fake=g)      # after every generator step, with the last batches
    watch.epoch()                   # at epoch ends: an evaluation mark

Watching changes nothing: weights, buffers, gradients, modes and random states are, bit for bit, what they
would be without. What a probe needs and was not given is refused before the first step, by an error that
says what to pass. What fails later (memory that ran out, a judge that breaks) costs that probe, with one
warning, and never the training.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from . import declarations
from .angles import WeightTrace, layers_of
from .evaluation import Evaluator
from .judges import Judge
from .preparation import batch_of, latent_source, missing, rehearse, schedule, unwrapped
from .probe import Batch, Score, Subject
from .real_images import draw_real
from .recorder import Recorder, Series
from .registry import PROBES, Every
from .sample_grid import LatentSource, Sampler
from .undisturbed import undisturbed

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """The mark that ``epoch`` made, and the numbers that name it, by series."""

    mark: int
    values: Mapping[str, float | Tensor]


class Watch:
    """Measures a GAN while it trains, and logs what it measures into ``run``.

    G, D:       the trained networks, also inside DistributedDataParallel or torch.compile.
    run:        what ``monitor.init`` returns, or anything with ``log`` and ``log_images``.
    critic:     what the loss sees of D, called with images (a normalized critic). Default: D itself.
    generator_loss: what the generator minimizes, of the critic's scores of its samples, [N] -> [N] or [].
    G_ema:      the generator that is sampled and judged. Default: G.
    real:       real images to compare with, in [-1, 1] or uint8: a tensor [N, C, H, W], a dataset or its
                loader.
    judge:      scores samples (``judges/``), or several: Q and D are each the first one's that gives them.
    z:          what G takes for one sample: its latent's size, or shape, or (n, generator) -> inputs.
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
        G_ema: nn.Module | None = None,
        real: object = None,
        judge: Judge | Sequence[Judge] = (),
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
        critic = None if critic is D else critic
        G, D = unwrapped(G), unwrapped(D)
        layers = {"g": layers_of(G, everything=everything), "d": layers_of(D, everything=everything)}
        if not all(layers.values()) and (self.every["angles"] or self.every["epoch_angles"]):
            raise ValueError(
                "G or D has no weight with two or more dimensions: pass everything=True for angles of all"
            )
        self.step_traces = {net: WeightTrace(layers[net], "device") for net in layers if self.every["angles"]}
        self.epoch_traces = {
            net: WeightTrace(layers[net], "host") for net in layers if self.every["epoch_angles"]
        }
        judges = tuple(judge) if isinstance(judge, Sequence) else (judge,)
        judges = judges if self.every["quality"] else ()
        if self.every["quality"] and not judges:
            raise missing("quality", "judge=..., what scores samples")
        if judges and real is None:
            raise missing("quality", "real=..., images to compare with")
        if z is None and (judges or self.every["samples"]):
            raise missing("quality" if judges else "samples", "z=..., what G takes for one sample")
        sampled = G if G_ema is None else unwrapped(G_ema)
        self.subject = Subject(
            G,
            D,
            critic=D if critic is None else critic,
            generator_loss=generator_loss,
            sampler=None if z is None else Sampler(sampled, latent_source(z), seed),
            real=None if real is None else draw_real(real, n_eval, seed),
        )
        #: Probes of the critic that still work, and the last batches for them.
        self.probes = {name: listed.make(self.subject) for name, listed in PROBES.items() if self.every[name]}
        self.batches: tuple[Batch, Batch] | None = None
        rehearse(self.subject, self.probes, judges, draws=bool(self.every["samples"]))
        self.evaluator: Evaluator | None = None
        if self.subject.sampler and (judges or self.every["samples"]):
            shown = n_grid if self.every["samples"] else 0
            self.evaluator = Evaluator(self.subject.sampler, judges, self.subject.real, n_eval, shown)
        for series in self._series():
            self.recorder.declare(series)

    def step(
        self,
        *,
        real: Tensor | tuple[Tensor, ...] | None = None,
        fake: Tensor | tuple[Tensor, ...] | None = None,
        step: int | None = None,
    ) -> None:
        """After every generator step, with the last real and generated batch.

        A batch is images, or with what the critic takes beside them: ``real=(x, y), fake=(g, y)``. ``step``
        counts from 1, by itself if not given.
        """
        self.steps = self.steps + 1 if step is None else step
        with self._survives("angles"):
            self._iteration_angles()
        if not self.probes:
            return
        if real is None or fake is None:
            raise missing(next(iter(self.probes)), "step(real=x, fake=g), the last batches")
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
        expects = [series.role for series in self._at_marks() if series.role]
        mark = self.recorder.mark(step, self.marks if epoch is None else epoch, images_seen, expects)
        values: dict[str, float | Tensor] = {}
        with self._survives("epoch_angles"):
            values |= self._epoch_angles()
        for name in [name for name in self.probes if self.every[name] == "epoch"]:
            with self._survives(name):
                values |= self._measured(name)
        with self._survives("quality", "samples"):
            values |= self._look(step, mark)
        self.recorder.log(values, step, mark)
        return Evaluation(mark, values)

    def state_dict(self) -> dict[str, Any]:
        """What a training that goes on from a checkpoint needs to log the very same numbers."""
        return {
            "steps": self.steps,
            "marks": self.marks,
            "step_traces": {net: trace.state_dict() for net, trace in self.step_traces.items()},
            "epoch_traces": {net: trace.state_dict() for net, trace in self.epoch_traces.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """After the networks have theirs: a probe that the checkpoint did not have begins from them."""
        self.steps, self.marks = state.get("steps", 0), state.get("marks", 0)
        for key, traces in (("step_traces", self.step_traces), ("epoch_traces", self.epoch_traces)):
            for net, trace in traces.items():
                if net in state.get(key, {}):
                    trace.load_state_dict(state[key][net])
                else:
                    trace.remember()

    @contextmanager
    def _survives(self, *probes: str) -> Iterator[None]:
        """A probe that fails is left out from then on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on
            logger.warning("%s cannot be measured any more: %r", " and ".join(probes), error)
            self.every |= dict.fromkeys(probes)
            self.probes = {name: probe for name, probe in self.probes.items() if name not in probes}
            if "angles" in probes:
                self.step_traces = {}
            if "epoch_angles" in probes:
                self.epoch_traces = {}
            if "quality" in probes:
                self.evaluator = None

    def _look(self, step: int, mark: int) -> Mapping[str, float | Tensor]:
        if not self.evaluator:
            return {}
        look = self.evaluator.look()
        if self.every["samples"]:
            caption = "Samples from latents that never change"
            self.recorder.log_images(
                "samples", look.pixels, step, mark=mark, caption=caption, scores=look.scores
            )
        return look.values

    def _is_due(self, probe: str, ahead: int = 0) -> bool:
        every = self.every[probe]
        return isinstance(every, int) and (self.steps + ahead) % every == 0

    def _iteration_angles(self) -> None:
        """Always the turn of a single generator step, however rarely it is measured."""
        turns = (
            {net: trace.turn() for net, trace in self.step_traces.items()} if self._is_due("angles") else {}
        )
        if turns:
            self.recorder.log({f"angle/iter/{net}": turn.angle for net, turn in turns.items()}, self.steps)
        if self._is_due("angles", ahead=1):
            for net, trace in self.step_traces.items():
                trace.remember(turns[net].norm if net in turns else None)

    def _epoch_angles(self) -> dict[str, float | Tensor]:
        values: dict[str, float | Tensor] = {}
        for net, trace in self.epoch_traces.items():
            turn = trace.turn()
            values[f"angle/epoch/{net}"] = turn.angle
            values[f"weight_norm/{net}"] = turn.norm
            values[f"relative_update/{net}"] = turn.relative_update
            values |= {f"angle/layer/{net}/{layer}": part.angle for layer, part in trace.turns().items()}
            trace.remember(turn.norm)
        return values

    def _measured(self, name: str) -> Mapping[str, Tensor]:
        if self.batches is None:
            raise missing(name, "a step(real=x, fake=g) before the first epoch()")
        with undisturbed(self.subject.G, self.subject.D, self.subject.critic):
            return self.probes[name].measure(*self.batches)

    def _series(self) -> Iterator[Series]:
        if self.every["angles"]:
            yield from declarations.iteration_angles()
        for probe in self.probes.values():
            yield from probe.series()
        yield from self._at_marks()

    def _at_marks(self) -> Iterator[Series]:
        if self.epoch_traces:
            yield from declarations.epoch_angles(
                {net: trace.layers for net, trace in self.epoch_traces.items()}
            )
        if self.evaluator:
            yield from declarations.judged(
                self.evaluator.judges, self.evaluator.n_eval, self.evaluator.n_real
            )
