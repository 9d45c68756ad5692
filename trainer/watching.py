"""Who watches a training: the probes, with or without fidelity, or nobody. The weights are the same."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from torch import Tensor, nn

from trainer.config import Config
from trainer.critics import Critic, RawCritic
from trainer.data import ImageSet
from trainer.errors import UnfetchedError
from trainer.judging import judges_of
from trainer.losses import LOSSES
from trainer.probes.registry import PROBES, Every
from trainer.probes.watch import Watch as ProbeWatch
from trainer.randomness import derived
from trainer.sampling import latents_of
from trainer.saturation import limits_of

if TYPE_CHECKING:
    from trainer.fidelity import Meter

logger = logging.getLogger(__name__)

#: What the evaluation's seed is derived by; the passes over the data are derived by one number.
EVALUATION: Final = (0, 1)


class Run(Protocol):
    """What a training says to the monitor, and hears from it: ``monitor.init()`` returns one."""

    def declare(
        self,
        name: str,
        *,
        direction: Literal["higher", "lower", "none"] = "none",
        lower: float | None = None,
        upper: float | None = None,
        role: str | None = None,
        judge: str | None = None,
        n: int | None = None,
        help: str = "",  # noqa: A002  the word of the wire
    ) -> None: ...
    def log(self, values: Mapping[str, Any], *, step: int, mark: int | None = None) -> None: ...
    def mark(
        self,
        *,
        step: int,
        epoch: float | None = None,
        images_seen: int | None = None,
        expects: Sequence[str] = (),
    ) -> int: ...
    def log_images(self, name: str, images: Any, *, step: int, mark: int | None = None) -> None: ...


@dataclass(frozen=True)
class Subject:
    """What there is to be watched."""

    config: Config
    G: nn.Module
    D: nn.Module
    #: The generator that is sampled and judged.
    G_ema: nn.Module
    critic: Critic
    images: ImageSet


class Evaluation(Protocol):
    @property
    def mark(self) -> int: ...
    @property
    def values(self) -> Mapping[str, float | Tensor]: ...


class Watch(Protocol):
    def step(self, *, real: tuple[Tensor, ...], fake: tuple[Tensor, ...], step: int) -> None:
        """After every generator step, with the last batches: images, and classes, if there are any."""

    def epoch(self, *, epoch: int, images_seen: int, step: int) -> Evaluation:
        """At the end of an epoch: makes an evaluation mark."""

    def finish(self) -> None:
        """Nothing more is trained with: what is still measured beside training is waited for."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


WatchFactory = Callable[[Run, Subject], Watch]


def probes(run: Run, subject: Subject) -> Watch:
    """All probes, and fidelity where the configuration asks for it."""
    config = subject.config
    watch = ProbeWatch(
        subject.G,
        subject.D,
        run,
        critic=None if isinstance(subject.critic, RawCritic) else subject.critic,
        generator_loss=LOSSES[config.loss].generator,
        saturation=limits_of(config),
        # Without an average it is a copy, whose angles would be G's once more.
        G_ema=subject.G_ema if config.ema.decay else None,
        real=subject.images,
        judge=judges_of(config, subject.images, next(subject.G.parameters()).device),
        z=latents_of(config.network),
        every=every_of(config),
        # Not the seed itself: the latents that are judged would be the first that were trained with.
        seed=derived(config.seed, *EVALUATION),
    )
    if config.fidelity.every == 0:
        return watch
    from trainer.fidelity import meter_of  # noqa: PLC0415  slow to import, and only who measures it needs it

    try:
        meter = meter_of(config, subject.G_ema, subject.images)
    except UnfetchedError as problem:  # most recipes ask for it, and a machine without a way out still trains
        logger.warning("training goes on without fidelity: %s", problem)
        return watch
    return WithFidelity(watch, run, meter, config.fidelity.every)


def every_of(config: Config) -> dict[str, Every]:
    """What differs from the usual schedule."""
    return {"gradient_rms": PROBES["gradient_norms"].every} if config.critic.kind == "pgn-code" else {}


class WithFidelity:
    """Another watch, and every so many epochs the figures of a ``Meter``, named by the epoch's mark."""

    def __init__(self, watch: Watch, run: Run, meter: "Meter", every: int) -> None:
        self.watch = watch
        self.run = run
        self.meter: Meter | None = meter
        self.every = every
        #: The last epoch that was seen: small data sets end several with one step.
        self.seen = 0
        for series in meter.series:
            run.declare(series.name, **series.facts)

    def step(self, *, real: tuple[Tensor, ...], fake: tuple[Tensor, ...], step: int) -> None:
        self.watch.step(real=real, fake=fake, step=step)

    def epoch(self, *, epoch: int, images_seen: int, step: int) -> Evaluation:
        evaluation = self.watch.epoch(epoch=epoch, images_seen=images_seen, step=step)
        is_due = epoch // self.every > self.seen // self.every
        self.seen = epoch
        if is_due and self.meter:
            try:
                self.run.log(self.meter.measure(), step=step, mark=evaluation.mark)
            except Exception as error:  # noqa: BLE001  whatever it is, the training goes on
                logger.warning("fidelity cannot be measured any more: %r", error)
                self.meter = None
        return evaluation

    def finish(self) -> None:
        self.watch.finish()

    def state_dict(self) -> dict[str, Any]:
        return self.watch.state_dict() | {"fidelity": {"seen": self.seen}}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        self.watch.load_state_dict(state)
        self.seen = state.get("fidelity", {}).get("seen", 0)


@dataclass(frozen=True)
class BareMark:
    mark: int
    values: Mapping[str, float | Tensor]


class Unwatched:
    """No probes: only the marks, which tell the epochs."""

    def __init__(self, run: Run, subject: Subject) -> None:
        del subject
        self.run = run

    def step(self, *, real: tuple[Tensor, ...], fake: tuple[Tensor, ...], step: int) -> None:
        pass

    def epoch(self, *, epoch: int, images_seen: int, step: int) -> BareMark:
        return BareMark(self.run.mark(step=step, epoch=epoch, images_seen=images_seen, expects=()), {})

    def finish(self) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        pass
