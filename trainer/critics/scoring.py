"""Critics: what stands between a discriminator ``f`` and the loss.

A critic is called with a batch of images ``[N, C, H, W]``, of classes ``[N]`` perhaps, and returns ``h``, one
number a sample, part of the graph of the discriminator's parameters and of the images. ``critic.D`` is the
discriminator, which probes measure.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.critics.gradient import Differentiated, Form, ScoreGradient
from trainer.critics.normalizations import Normalization, gradient_normalization, normalize
from trainer.critics.spectral import normalize_spectrally
from trainer.errors import ConfigError


class Critic(Protocol):
    D: nn.Module
    #: Whether a sample's score depends on the others of its call (batch norm in D).
    mixes_samples: bool

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor: ...

    def gradient(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """``grad_x h``, ``[N, C, H, W]``, part of the graph of the parameters: what penalties penalize."""

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """``h``, and what the blocks of the discriminator made of the images."""

    def differentiates_twice(self, *, has_labels: bool) -> bool:
        """Whether ``h``, with or without labels, is made of a gradient that autograd takes."""

    def numbers(self) -> dict[str, Tensor]:
        """What the critic counts about itself, by the name of its series."""

    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: dict[str, Tensor], /) -> None: ...


class Plain:
    """What takes no gradient for its score, counts nothing about itself, and has nothing to remember beside
    its discriminator.
    """

    def differentiates_twice(self, *, has_labels: bool) -> bool:
        del has_labels
        return False

    def numbers(self) -> dict[str, Tensor]:
        return {}

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        pass


class RawCritic(Plain):
    """``h = f``."""

    def __init__(self, D: nn.Module, form: Form | None = None) -> None:
        self.D = D
        self.mixes_samples = mixing_layer(D) is not None
        self.score_gradient = ScoreGradient(D, form)

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        scores: Tensor = self.D(images) if labels is None else self.D(images, labels)
        return scores

    def gradient(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        refuse_mixing_layers(self.D)
        return self.score_gradient(images, labels).gradient

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        seen: tuple[Tensor, list[Tensor]] = self.D.features(images, labels)  # type: ignore[operator]
        return seen


class SpectrallyNormalizedCritic(Plain):
    """``h = f / tau``, after every weight of ``D`` was divided by its spectral norm, for good: ``|grad_x h|``
    is at most ``K = 1 / tau``, as far as the norms of reshaped kernels are those of the convolutions.
    """

    def __init__(
        self, D: nn.Module, tau: float = 1.0, power_iterations: int = 1, form: Form | None = None
    ) -> None:
        normalize_spectrally(D, power_iterations)
        self.D = D
        self.tau = tau
        self.raw = RawCritic(D, form)
        self.mixes_samples = self.raw.mixes_samples

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.raw(images, labels) / self.tau

    def gradient(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.raw.gradient(images, labels) / self.tau

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        f, blocks = self.raw.features(images, labels)
        return f / self.tau, blocks


class GradientNormalizedCritic:
    """``h`` from ``f`` and ``grad_x f`` by one of the formulas of ``normalizations.py``.

    Each sample has its own gradient only if no layer mixes samples: batch norm in the discriminator is
    refused. The gradient is part of the graph: training differentiates through it, for the discriminator's
    parameters and for the images alike (``gradient.py``).

    A sample whose ``h`` is 0/0 (all units dead, zero bias) has no score. It gets 0, passes no gradient, and
    is counted in ``undefined``. Healthy: the count stays 0. Sick: it grows, the discriminator is dying.
    """

    mixes_samples = False

    def __init__(
        self, D: nn.Module, formula: Normalization = gradient_normalization, form: Form | None = None
    ) -> None:
        refuse_mixing_layers(D)
        self.D = D
        self.formula = formula
        self.score_gradient = ScoreGradient(D, form)
        #: How many samples had no score so far: a number on the device.
        self.undefined = torch.zeros((), dtype=torch.int64)

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self._normalized(self.score_gradient(images, labels))

    def gradient(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        with torch.enable_grad():
            found = self.score_gradient(images, labels)
            return found.gradient_of(self._normalized(found))

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        found, blocks = self.score_gradient.with_features(images, labels)
        return self._normalized(found), blocks

    def differentiates_twice(self, *, has_labels: bool) -> bool:
        return isinstance(self.score_gradient.reading(has_labels=has_labels), str)

    def numbers(self) -> dict[str, Tensor]:
        return {"score/undefined": self.undefined}

    def state_dict(self) -> dict[str, Tensor]:
        return {"undefined": self.undefined}

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        self.undefined = state["undefined"]

    def _normalized(self, found: Differentiated) -> Tensor:
        h, undefined = normalize(self.formula, found.f, found.gradient)
        self.undefined = self.undefined.to(undefined.device) + undefined
        return h


def mixing_layer(D: nn.Module) -> tuple[str, nn.Module] | None:
    """The first layer whose output for one sample depends on the others, and its name."""
    return next(((name, layer) for name, layer in D.named_modules() if isinstance(layer, _BatchNorm)), None)


def refuse_mixing_layers(D: nn.Module) -> None:
    """One makes the gradient of the sum meaningless for a sample."""
    if (found := mixing_layer(D)) is not None:
        name, layer = found
        raise ConfigError(
            f"layer {name!r} of the discriminator ({type(layer).__name__}) mixes samples, and the gradient "
            "of every sample is asked for: build D without batch norm"
        )
