"""When things happen: a pure function of the step."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from trainer.config import Config

#: Epochs that the ring reaches back.
REACH: Final = 64


class Schedule:
    """Steps, epochs and images seen, by all ``processes`` together. An epoch ends at the first step by which
    D has seen every image once more.
    """

    def __init__(self, config: Config, images: int, processes: int = 1) -> None:
        self.images = images
        self.decay = config.lr.decay
        self.checkpoints = config.checkpoints
        self.keeps_ring = config.goes_back
        self.images_per_step = config.batch.d * config.n_dis * processes
        by_epochs = (
            math.inf if config.epochs is None else math.ceil(config.epochs * images / self.images_per_step)
        )
        by_steps = math.inf if config.steps is None else config.steps
        self.last_step = int(min(by_epochs, by_steps))

    def rate(self, step: int) -> float:
        """By what the learning rates are multiplied after so many steps: 1, or from 1 linearly to 0."""
        return 1.0 if self.decay == "none" else 1.0 - step / self.last_step

    def images_seen(self, step: int) -> int:
        return step * self.images_per_step

    def epoch(self, step: int) -> int:
        """How many epochs are over after ``step``."""
        return self.images_seen(step) // self.images

    def ends_epoch(self, step: int, every: int = 1) -> bool:
        """Whether an epoch is over with this step; with ``every``, one of the multiples of it."""
        return self.epoch(step) // every > self.epoch(step - 1) // every

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is due; where training may have to go back, after every epoch."""
        return self.ends_epoch(step, every=1 if self.keeps_ring else self.checkpoints.every)

    def kept(self, steps: Sequence[int]) -> set[int]:
        """Of checkpoints at these steps, the newest first: the last ``checkpoints.keep`` that were due
        anyway, and the ring.
        """
        if not self.keeps_ring:
            return set(steps[: self.checkpoints.keep])
        regular = [
            step for step in steps if step == steps[0] or self.ends_epoch(step, self.checkpoints.every)
        ]
        ages = [self._evaluations(steps[0]) - self._evaluations(step) for step in steps]
        return {steps[place] for place in ring(ages)} | set(regular[: self.checkpoints.keep])

    def _evaluations(self, step: int) -> int:
        """How many steps have ended an epoch: small data sets end several with one."""
        return min(step, self.epoch(step))


def ring(ages: Sequence[int]) -> Iterator[int]:
    """Which of the checkpoints of these ages in epochs, the youngest first, the ring keeps: their places.

    Every one without which the next would be more than twice as old as the one before (plus an epoch), up to
    the first beyond ``REACH``. As they grow old together that ratio only falls, so what may go once is never
    missed: asked after every epoch, there is for each a <= 64 (or back to the first) one that is at least a
    and at most 2a - 1 epochs old. Of three in a row the last is more than twice as old as the first: at most
    twelve are kept.
    """
    kept = -1.0  # so that the youngest is always kept
    for place, (age, older) in enumerate(pairwise([*ages, math.inf])):
        if older > 2 * kept + 1:
            yield place
            kept = age
            if kept >= REACH:
                return
