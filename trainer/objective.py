"""What is minimized in a step: the adversarial loss, and what a configuration adds to it.

Everything random in a step (where penalties are taken, how images are augmented) is drawn for the whole batch
by ``prepared``, before the batch is cut into the parts that are accumulated: the parts' losses have the whole
batch's loss as their mean, whatever their number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd import backward

from trainer.batches import Labelled, joined
from trainer.config import Config
from trainer.consistency import ConsistencyRegularization
from trainer.critics import Critic
from trainer.losses import LOSSES
from trainer.penalties import GradientPenalty
from trainer.randomness import Draws, derived, seed_of_draws
from trainer.sample_differences import SampleDifferencesPenalization, Seen, pairs

#: What the seeds of the penalty's points and of the augmentation are derived by.
PENALTY: Final = (0, 2)
AUGMENTATION: Final = (0, 3)

#: A scalar to minimize, and numbers to log by the name of their series.
Minimized = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Prepared:
    """The images of a discriminator step, or of an equal part of it."""

    real: Labelled
    fake: Labelled
    #: The real ones, augmented; None without consistency regularization.
    augmented: Labelled | None
    #: Where the gradient is penalized; None where it is not.
    points: Labelled | None
    #: How many samples are held against their nearest real ones; 0: none.
    k: int

    def parts(self, n: int) -> "list[Prepared]":
        cut = (None if batch is None else batch.parts(n) for batch in (self.augmented, self.points))
        augmented, points = ([None] * n if parts is None else parts for parts in cut)
        return [
            Prepared(*part, self.k)
            for part in zip(self.real.parts(n), self.fake.parts(n), augmented, points, strict=True)
        ]


class Objective:
    def __init__(
        self, config: Config, critic: Critic, device: torch.device, *, rank: int = 0, ranks: int = 1
    ) -> None:
        self.critic = critic
        self.n_dis = config.n_dis
        self.loss = LOSSES[config.loss]
        points, augmentation = (
            Draws(derived(seed_of_draws(config), *purpose), device, rank=rank, ranks=ranks)
            for purpose in (PENALTY, AUGMENTATION)
        )
        self.penalty = GradientPenalty(config.penalty, points)
        self.consistency = ConsistencyRegularization(config.consistency, augmentation)
        self.differences = SampleDifferencesPenalization(config.sample_differences)

    def prepared(self, real: Labelled, fake: Labelled, *, step: int, turn: int) -> Prepared:
        """For the discriminator's ``turn`` (0 to n_dis - 1) after ``step`` generator steps."""
        penalizes = self.penalty.is_due(step * self.n_dis + turn)
        return Prepared(
            real,
            fake,
            self.consistency.augmented(real) if self.consistency.is_on else None,
            self.penalty.points(real, fake) if penalizes else None,
            self.differences.k(step, len(fake.x)) if self.differences.is_due(step) else 0,
        )

    def discriminator(self, batch: Prepared) -> Minimized:
        views = [batch.real, batch.fake] + ([] if batch.augmented is None else [batch.augmented])
        real, fake, *augmented = self._seen(views, with_blocks=batch.k > 0)
        loss = self.loss.discriminator(real.h, fake.h)
        added: dict[str, Tensor] = {}
        if augmented:
            added[self.consistency.series] = self.consistency.term(real.h, augmented[0].h)
        if batch.points is not None:
            added[self.penalty.series] = self.penalty.term(self.critic, batch.points)
        if batch.k:
            best, nearest = pairs(fake.h, batch.fake.x, batch.real.x, batch.k)
            added["sdp/d"] = self.differences.term(fake.chosen(best), real.chosen(nearest))
        scores = {"score/real": real.h.mean(), "score/fake": fake.h.mean()}
        return summed(loss, added), {"loss/d": loss} | added | scores

    def generator(self, fake: Labelled, real: Labelled, *, step: int) -> Minimized:
        """``real`` are the images of the last discriminator step, which sample differences compare with."""
        compares = self.differences.is_due(step)
        seen = self._look(fake, with_blocks=compares)
        loss = self.loss.generator(seen.h)
        if not compares:
            return loss, {"loss/g": loss}
        best, nearest = pairs(seen.h, fake.x, real.x, self.differences.k(step, len(fake.x)))
        with torch.no_grad():
            # Batch norm's statistics are those of the whole batch.
            like = (
                self._look(real, with_blocks=True).chosen(nearest)
                if self.critic.mixes_samples
                else self._look(real.chosen(nearest), with_blocks=True)
            )
        added = {"sdp/g": self.differences.term(seen.chosen(best), like.detached())}
        return summed(loss, added), {"loss/g": loss} | added

    def _seen(self, batches: Sequence[Labelled], *, with_blocks: bool) -> list[Seen]:
        """What the critic makes of each batch, in one call where that is the same.

        Under batch norm it is not: one call would tell a sample's origin by the statistics of the whole,
        which the generator's step, all generated, never sees. Each batch then has a call of its own.
        """
        if self.critic.mixes_samples:
            return [self._look(batch, with_blocks=with_blocks) for batch in batches]
        whole = self._look(joined(batches), with_blocks=with_blocks)
        sizes = [len(batch.x) for batch in batches]
        blocks = [torch.split(block, sizes) for block in whole.blocks]
        return [Seen(h, [block[i] for block in blocks]) for i, h in enumerate(torch.split(whole.h, sizes))]

    def _look(self, batch: Labelled, *, with_blocks: bool) -> Seen:
        """``h`` in float32 or wider, whatever the discriminator computes in."""
        if with_blocks:
            h, blocks = self.critic.features(batch.x, batch.y)
        else:
            h, blocks = self.critic(batch.x, batch.y), []
        return Seen(h.to(torch.promote_types(h.dtype, torch.float32)), blocks)

    def state_dict(self) -> dict[str, Any]:
        return {
            "penalty": self.penalty.draws.state_dict(),
            "consistency": self.consistency.draws.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.penalty.draws.load_state_dict(state["penalty"])
        self.consistency.draws.load_state_dict(state["consistency"])


def summed(loss: Tensor, added: Mapping[str, Tensor]) -> Tensor:
    for term in added.values():
        loss = loss + term
    return loss


def accumulated(parts: Iterable[Minimized], n: int) -> dict[str, Tensor]:
    """Adds up the gradients of ``n`` parts of a batch, one after the other, as those of the whole batch, and
    returns the numbers of the whole.
    """
    whole: dict[str, Tensor] = {}
    for loss, numbers in parts:
        backward(loss / n)
        for name, number in numbers.items():
            share = number.detach() / n
            whole[name] = whole[name] + share if name in whole else share
    return whole
