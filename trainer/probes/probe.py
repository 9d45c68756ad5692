"""What a probe is, and what it may look at.

A probe of the critic is a class in a file of its own and one line in ``registry.PROBES``: its name in
``every``, how often it measures unless told otherwise, and how it is made.

    class Steepness(Probe):
        def __init__(self, subject: Subject) -> None:
            self.critic = subject.critic

        def series(self) -> Iterator[Series]:
            yield Series(name="steepness", help="...")

        def measure(self, real: Batch, fake: Batch) -> dict[str, Tensor]:
            return {"steepness": gradient_norms(real.scored_by(self.critic), real.images).mean()}
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .recorder import Series
from .sample_grid import Sampler
from .saturation import Limits

#: A critic: images, and whatever it takes beside them, to one number a sample.
Score = Callable[..., Tensor]


class Batch(NamedTuple):
    """Images ``[N, C, H, W]`` as the critic sees them in training, out of their graph."""

    images: Tensor
    #: What the critic takes beside them, such as labels.
    conditions: tuple[Tensor, ...] = ()

    def scored_by(self, critic: Score) -> Callable[[Tensor], Tensor]:
        """``critic`` as a function of these images, or of others in their places."""
        return lambda images: critic(images, *self.conditions)

    def widened(self) -> "Batch":
        """In float32, if it comes from a loop in mixed precision."""
        return Batch(self.images.to(torch.promote_types(self.images.dtype, torch.float32)), self.conditions)

    def first(self, n: int) -> "Batch":
        """Its first ``n`` images, or all, if there are fewer."""
        return Batch(self.images[:n], tuple(condition[:n] for condition in self.conditions))

    def followed_by(self, other: "Batch") -> "Batch":
        """Both as one batch."""
        conditions = zip(self.conditions, other.conditions, strict=True)
        return Batch(
            torch.cat([self.images, other.images]), tuple(torch.cat(condition) for condition in conditions)
        )


@dataclass(frozen=True)
class Subject:
    """What is watched. Networks come without the wrapping of DistributedDataParallel or torch.compile."""

    G: nn.Module
    D: nn.Module
    #: What the loss sees of D: D itself, or a normalized critic around it.
    critic: Score
    #: What the generator minimizes, of the critic's scores of its samples ``[N]``; None if nobody said it.
    generator_loss: Callable[[Tensor], Tensor] | None = None
    #: Where scores end to matter; None if nobody said it.
    saturation: Limits | None = None
    #: Draws samples, the same at every call; None if nobody said what G takes.
    sampler: Sampler | None = None
    #: Real images ``[n, C, H, W]`` in [-1, 1], as many as are judged; None if there are none.
    real: Tensor | None = None

    @property
    def called(self) -> tuple[object, ...]:
        """What probes call."""
        return self.G, self.D, self.critic

    @property
    def is_normalized(self) -> bool:
        return self.critic is not self.D


class Probe(ABC):
    """Made before the first step: what it needs of its subject and does not find it refuses there, by
    ``preparation.missing``.
    """

    @abstractmethod
    def series(self) -> Iterable[Series]:
        """All that ``measure`` returns, by name."""

    @abstractmethod
    def measure(self, real: Batch, fake: Batch) -> Mapping[str, Tensor]:
        """By series: tensors without dimensions, or for a distribution the fields of ``distribution``.

        Called with the last real and generated batch, in float32 or wider, inside ``undisturbed``: whatever
        it calls is put back. It must not wait for the device, so no ``item``, no ``cpu``.
        """

    def rehearse(self, real: Batch, fake: Batch) -> None:
        """Show before the first step, with a few images, that measuring works; nothing is remembered."""
        self.measure(real, fake)

    def state_dict(self) -> dict[str, Any]:
        """What it remembers from one measurement to the next."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027  most remember nothing
        """Go on from what another remembered."""
