"""Critics: what stands between a discriminator ``f`` and the loss.

A critic is called with a batch of images ``[N, C, H, W]`` and returns ``h``, one number a sample, part of the
graph of the discriminator's parameters and of the images; ``features`` returns also what the blocks of the
discriminator have seen. ``critic.D`` is the discriminator as it is, which probes measure.
"""

from typing import Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.config import CriticName
from trainer.errors import ConfigError


class Critic(Protocol):
    D: nn.Module
    #: Whether a sample's score depends on the others of its call (batch norm in D).
    mixes_samples: bool

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor: ...

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """``h``, and the discriminator's block activations, in one pass."""

    def numbers(self) -> dict[str, Tensor]:
        """What the critic counts about itself, by the name of its series."""

    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: dict[str, Tensor], /) -> None: ...


class RawCritic:
    """``h = f``."""

    def __init__(self, D: nn.Module) -> None:
        self.D = D
        self.mixes_samples = mixing_layer(D) is not None

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return scored(self.D, images, labels)

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        h: tuple[Tensor, list[Tensor]] = self.D.features(images, labels)  # type: ignore[operator]
        return h

    def numbers(self) -> dict[str, Tensor]:
        return {}

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        pass


class GradientNormalizedCritic:
    """Gradient normalization (Wu et al., ICCV 2021): ``h = f / (|grad_x f| + |f|)``, in [-1, 1].

    ``|grad_x f|`` is the L2 norm over all pixels of a sample, in float32 or wider. It is part of the graph:
    training differentiates through it, for the discriminator's parameters and for the images alike. Where the
    discriminator is piecewise linear, ``|grad_x h| = (|grad f| / (|grad f| + |f|))^2 <= 1`` (theorem 6).

    The gradients of a whole batch come from one backward pass through ``f.sum()``, which is right only if no
    layer mixes samples: batch norm in the discriminator is refused.

    A sample with ``f = |grad f| = 0`` (all units dead, zero bias) has no score, 0/0. It gets 0, passes no
    gradient, and is counted in ``undefined``. Healthy: the count stays 0. Sick: it grows, the discriminator
    is dying.
    """

    mixes_samples = False

    def __init__(self, D: nn.Module) -> None:
        refuse_mixing_layers(D)
        self.D = D
        #: How many samples had no score so far: a number on the device.
        self.undefined = torch.zeros((), dtype=torch.int64)

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        with torch.enable_grad():
            x = images if images.requires_grad else images.detach().requires_grad_()
            return self._normalized(x, scored(self.D, x, labels))

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        with torch.enable_grad():
            x = images if images.requires_grad else images.detach().requires_grad_()
            f, blocks = self.D.features(x, labels)  # type: ignore[operator]
            return self._normalized(x, f), blocks

    def _normalized(self, x: Tensor, f: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(f.sum(), x, create_graph=True)
        h, undefined = gradient_normalize(f, gradient)
        self.undefined = self.undefined.to(undefined.device) + undefined
        return h

    def numbers(self) -> dict[str, Tensor]:
        return {"score/undefined": self.undefined}

    def state_dict(self) -> dict[str, Tensor]:
        return {"undefined": self.undefined}

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        self.undefined = state["undefined"]


def scored(D: nn.Module, images: Tensor, labels: Tensor | None) -> Tensor:
    scores: Tensor = D(images) if labels is None else D(images, labels)
    return scores


def gradient_normalize(f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """``f / (|gradient| + |f|)`` a sample, and how many samples were 0/0."""
    dtype = torch.promote_types(f.dtype, torch.float32)
    f = f.to(dtype)
    scale = torch.linalg.vector_norm(gradient.to(dtype).flatten(1), dim=1) + f.abs()
    is_dead = scale == 0
    h = torch.where(is_dead, torch.zeros_like(f), f / torch.where(is_dead, torch.ones_like(scale), scale))
    return h, is_dead.sum()


def score_both(critic: Critic, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """``h`` of real and of generated images, in one call where that is the same.

    Under batch norm it is not: one call would tell a sample's origin by the statistics of the whole, which
    the generator's step, all generated, never sees. Real and generated images are then batches of their own.
    """
    if critic.mixes_samples:
        return critic(real), critic(fake)
    h = critic(torch.cat([real, fake]))
    return h[: len(real)], h[len(real) :]


def mixing_layer(D: nn.Module) -> tuple[str, nn.Module] | None:
    """The first layer whose output for one sample depends on the others, and its name."""
    return next(((name, layer) for name, layer in D.named_modules() if isinstance(layer, _BatchNorm)), None)


def refuse_mixing_layers(D: nn.Module) -> None:
    """One makes the gradient of the sum meaningless for a sample."""
    if (found := mixing_layer(D)) is not None:
        name, layer = found
        raise ConfigError(
            f"layer {name!r} of the discriminator ({type(layer).__name__}) mixes samples, and a "
            "normalized critic takes the gradient of every sample: build D without batch norm"
        )


CRITICS: Final[dict[CriticName, type[RawCritic] | type[GradientNormalizedCritic]]] = {
    "raw": RawCritic,
    "gn": GradientNormalizedCritic,
}
