"""When things happen: a pure function of the step."""

import math
from collections.abc import Sequence
from typing import Final

from trainer.config import Config

#: The ring reaches back 2^6 = 64 epochs, and twice as far at times.
RING: Final = 6


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
        now = self._evaluations(steps[0])
        ring = {step for step in steps if is_in_ring(self._evaluations(step), now)}
        # And the first of all, for a turn that comes before the ring has filled.
        return ring | set(regular[: self.checkpoints.keep]) | set(steps[-1:])

    def _evaluations(self, step: int) -> int:
        """How many steps have ended an epoch: small data sets end several with one."""
        return min(step, self.epoch(step))


def is_in_ring(epoch: int, now: int) -> bool:
    """Whether the checkpoint of an epoch is one of the at most eight that the ring holds: the newest, and one
    in each of [1, 2), [2, 4), [4, 8), ... [64, 128) epochs before it.

    Epochs that are divisible by 2^k stay until they are 2^(k+1) old, so that each place is filled by one that
    the places before it have let pass.
    """
    divisible = min((epoch & -epoch).bit_length() - 1, RING) if epoch else RING
    return now - epoch < 2 << divisible
