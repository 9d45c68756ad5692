"""Critics: what stands between a discriminator and the loss. Each is one formula on top of one primitive.

``scoring.py`` has the critics, ``normalizations.py`` their formulas, ``spectral.py`` spectral normalization.
``gradient.py`` is the primitive, a score and its gradient, both differentiable; ``frozen.py`` is its
first-order form, ``tracing.py`` and ``linearity.py`` find a discriminator's layers, ``layers.py`` and
``fixed.py`` are what each does.
"""

from typing import Final

from torch import nn

from trainer import config
from trainer.config import CriticName
from trainer.critics.gradient import Form, ScoreGradient
from trainer.critics.normalizations import (
    Normalization,
    gradient_normalization,
    gradient_normalization_0,
    gradient_normalization_1,
    penalty_gradient_normalization,
    penalty_gradient_normalization_as_published,
    piecewise_gradient_normalization,
)
from trainer.critics.scoring import (
    Critic,
    GradientNormalizedCritic,
    RawCritic,
    SpectrallyNormalizedCritic,
)

__all__ = [
    "Critic",
    "Form",
    "GradientNormalizedCritic",
    "RawCritic",
    "ScoreGradient",
    "SpectrallyNormalizedCritic",
    "build",
]

FORMULAS: Final[dict[CriticName, Normalization]] = {
    "gn": gradient_normalization,
    "gn0": gradient_normalization_0,
    "gn1": gradient_normalization_1,
    "pgn": penalty_gradient_normalization,
    "pgn-code": penalty_gradient_normalization_as_published,
}


def build(settings: config.Critic, D: nn.Module, form: Form | None = None) -> Critic:
    """The critic that is configured, around ``D``."""
    match settings.kind:
        case "raw":
            return RawCritic(D, form)
        case "sn":
            return SpectrallyNormalizedCritic(D, settings.tau, settings.power_iterations, form)
        case "gran":
            gran = piecewise_gradient_normalization(settings.tau, settings.epsilon)
            return GradientNormalizedCritic(D, gran, form)
        case kind:
            return GradientNormalizedCritic(D, FORMULAS[kind], form)
