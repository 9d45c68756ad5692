"""Gradient penalties: terms of the discriminator's loss that bound the critic's gradient by the image.

``g`` is the L2 norm of ``grad_x h`` over all pixels of a sample, in float32 or wider, K the target, means are
over the samples (tests/reference holds the slow twins):

| name | term | its paper takes it at | source |
| --- | --- | --- | --- |
| gp | (g - K)^2 | interpolated | Gulrajani et al. 2017, WGAN-GP (1-GP) |
| 0-gp | g^2 | interpolated | Thanh-Tung et al. 2019; Mescheder et al. 2018 have it at real or fake |
| lp | max(0, g - K)^2 | interpolated | Petzka et al. 2018, WGAN-LP |
| dragan | (g - K)^2 | perturbed | Kodali et al. 2017 |
| r1 | g^2 / 2 | real | Mescheder et al. 2018 |

Points, where a row's are drawn anew at each step: ``real`` x; ``fake`` G(z); ``both`` of them;
``interpolated`` a x + (1 - a) G(z), a uniform in [0, 1) for each sample; ``perturbed`` x + N(0, scale^2)
(SQD: N(0, cI), so c = scale^2), or x + scale * std(batch) * U[0, 1) (``uniform``: DRAGAN as its code has
it, with scale 0.5; std of all numbers of the batch). Interpolated and perturbed images keep the real one's
label.

A penalty with ``every`` = m is lazy (Karras et al. 2020): it is taken at each m-th discriminator step, and is
m times as strong there.

Healthy: the term falls early, then hovers near 0. Sick: it climbs and stays, the critic's gradient grows
faster than the penalty holds it.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from trainer.batches import Labelled, joined
from trainer.config import Penalty, PenaltyName
from trainer.critics import Critic
from trainer.randomness import Draws

#: (norms of the gradient [N], K) -> term [N]
TERMS: Final[dict[PenaltyName, Callable[[Tensor, float], Tensor]]] = {
    "gp": lambda norm, target: (norm - target).square(),
    "0-gp": lambda norm, _: norm.square(),
    "lp": lambda norm, target: (norm - target).relu().square(),
    "dragan": lambda norm, target: (norm - target).square(),
    "r1": lambda norm, _: norm.square() / 2,
}


class GradientPenalty:
    """What a configuration asks for, or nothing. ``draws`` are of its own."""

    def __init__(self, settings: Penalty, draws: Draws) -> None:
        self.settings = settings
        self.draws = draws
        self.series = f"penalty/{settings.kind}"

    def is_due(self, step: int) -> bool:
        """Whether it is taken at this discriminator step, the first being 0."""
        return self.settings.kind != "none" and step % self.settings.every == 0

    def points(self, real: Labelled, fake: Labelled) -> Labelled:
        """Where it is taken, [N] or (``both``) [2N]."""
        match self.settings.points:
            case "real":
                return real
            case "fake":
                return fake
            case "both":
                return joined([real, fake])
            case "interpolated":
                a = self.draws.uniform(len(real.x), 1, 1, 1)
                return Labelled(fake.x + a * (real.x - fake.x), real.y)
            case "perturbed":
                return Labelled(self._perturbed(real.x), real.y)

    def term(self, critic: Critic, points: Labelled) -> Tensor:
        """What is added to the discriminator's loss: a scalar, part of the graph of its parameters."""
        settings = self.settings
        norms = gradient_norms(critic, points)
        return settings.weight * settings.every * TERMS[settings.kind](norms, settings.target).mean()

    def _perturbed(self, real: Tensor) -> Tensor:
        """Uniform noise is as wide as the images of this call spread: with gradients accumulated, those of
        a part, and with several processes each its own.
        """
        if self.settings.noise == "gaussian":
            return real + self.settings.scale * self.draws.normal(*real.shape)
        return real + self.settings.scale * real.std(correction=0) * self.draws.uniform(*real.shape)


def gradient_norms(critic: Critic, points: Labelled) -> Tensor:
    """``|grad_x h|`` [N], part of the graph of the discriminator's parameters and not of the points'."""
    gradient = critic.gradient(points.x.detach(), points.y)
    dtype = torch.promote_types(gradient.dtype, torch.float32)
    norms: Tensor = torch.linalg.vector_norm(gradient.to(dtype).flatten(1), dim=1)
    return norms
