"""When things happen: a pure function of the step."""

import math

from trainer.config import Config


class Schedule:
    """Steps, epochs and images seen, by all ``processes`` together. An epoch ends at the first step by which
    D has seen every image once more.
    """

    def __init__(self, config: Config, images: int, processes: int = 1) -> None:
        self.images = images
        self.decay = config.lr.decay
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
