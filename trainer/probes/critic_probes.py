"""The probes of the critic: what each measures of a batch, in the terms of its own module."""

from collections.abc import Iterable

import torch
from torch import Tensor

from . import declarations
from .gradient_norms import distribution, gradient_norms
from .probe import Batch, Subject
from .recorder import Series


class GradientNorms:
    """Of the critic, and where it is normalized also of the bare discriminator."""

    def __init__(self, subject: Subject) -> None:
        self.scores = {"gradient_norm": subject.critic}
        if subject.is_normalized:
            self.scores["gradient_norm_raw"] = subject.D

    def series(self) -> Iterable[Series]:
        return declarations.gradient_norms(is_normalized="gradient_norm_raw" in self.scores)

    def measure(self, real: Batch, fake: Batch) -> dict[str, Tensor]:
        batch = real.followed_by(fake)
        found: dict[str, Tensor] = {}
        for name, score in self.scores.items():
            norms = gradient_norms(batch.scored_by(score), batch.images)
            of_real, of_fake = torch.split(norms, [len(real.images), len(fake.images)])
            found |= {f"{name}/real": distribution(of_real), f"{name}/fake": distribution(of_fake)}
        return found
