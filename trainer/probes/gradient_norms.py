"""How steep the critic is: the norm of its gradient by the image, sample by sample (GraN, figure 3).

``|grad_x h(x)|``, L2 over all pixels of a sample, from one backward pass through ``h(x).sum()``; that is
the gradient of every sample on its own as long as no layer mixes samples, which in eval mode none does. It
differentiates *through* a normalized critic, not around it, so under gradient normalization the norms stay
at or below 1, and under GraN close to its constant K.

Healthy: the quantiles move slowly and stay together. Sick: the upper quantiles climb by orders of magnitude
(the critic becomes a cliff, the generator gets kicks), or the whole distribution falls to 0 (nothing to
learn from).

From the same pass come two numbers more:

- ``|grad_x f| / sqrt(d)`` with d pixels, the root mean square of a gradient's pixels. A normalizer that takes
  the gradient from an image of ones (PGN as published) is ruled by the ones where it is far under 1: a
  softsign of fixed width. Far over 1 it is ruled by the gradient.
- ``|grad_x l(h(x))| = |l'(h(x))| |grad_x h(x)|``, how hard the generator's loss l pushes each image. Healthy:
  of one order for most samples. Sick: near 0, the critic or the loss is flat where the generator is.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor

from .undisturbed import full_float32

QUANTILES: Final = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


class Slope(NamedTuple):
    """A score and its gradient by the image, at ``N`` images ``[N, ...]``; no part of any graph."""

    #: ``[N]``; the sum of a sample's scores, if the critic gives several.
    score: Tensor
    #: As the images.
    gradient: Tensor

    @property
    def norm(self) -> Tensor:
        """``|grad_x score|``, ``[N]``; NaN where the score is not finite, whatever came back from there."""
        norms: Tensor = torch.linalg.vector_norm(self.gradient.flatten(1), dim=1)
        return torch.where(self.score.isfinite(), norms, torch.nan)

    @property
    def root_mean_square(self) -> Tensor:
        """``|grad_x score| / sqrt(d)``, ``[N]``."""
        return self.norm / math.sqrt(self.gradient[0].numel())


def slope(score: Callable[[Tensor], Tensor], images: Tensor) -> Slope:
    """``score`` and its gradient at images ``[N, ...]``, in float32 or wider. No ``.grad`` is touched."""
    x = widened(images).requires_grad_()
    with torch.inference_mode(False), torch.enable_grad(), full_float32(x.device):
        scores = one_each(score(x))
        (gradient,) = torch.autograd.grad(scores.sum(), x)
    return Slope(scores.detach(), gradient)


def gradient_norms(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """``|grad_x score(x)|`` of every image ``[N, ...]``, as ``[N]``."""
    return slope(score, images).norm


def loss_gradient_norms(loss: Callable[[Tensor], Tensor], scores: Tensor, norms: Tensor) -> Tensor:
    """``|grad_x l(h(x))|``, ``[N]``, of the loss ``l`` that each image has by itself.

    ``loss`` takes scores ``[N]`` and gives the mean of their losses, or each one's loss ``[N]``; ``norms``
    are the ``|grad_x h|``.
    """
    h = scores.detach().clone().requires_grad_()
    with torch.inference_mode(False), torch.enable_grad():
        (push,) = torch.autograd.grad(loss(h).mean(), h)
    return push.abs() * len(h) * norms


def interpolated(real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """``a x + (1 - a) G(z)`` with ``a`` uniform in [0, 1] for each pair; as many as the smaller batch has."""
    n = min(len(real), len(fake))
    a = torch.rand(n, generator=generator, device="cpu").to(real.device, real.dtype, non_blocking=True)
    return torch.lerp(fake[:n], real[:n], a.view(-1, *[1] * (real.dim() - 1)))


def distribution(values: Tensor) -> Tensor:
    """The fields of ``recorder.DISTRIBUTION_FIELDS`` over ``values`` ``[N]``, float64, on their device. One
    NaN makes them NaN.
    """
    values = values.detach().to(torch.float64)
    at = torch.tensor(QUANTILES, dtype=torch.float64, device="cpu").to(values.device, non_blocking=True)
    quantiles = torch.quantile(values, at)
    count = torch.full((1,), len(values), dtype=torch.float64, device=values.device)
    return torch.cat([quantiles, values.mean(dim=0, keepdim=True), count])


def widened(images: Tensor) -> Tensor:
    """A tensor of its own in float32 or wider."""
    return images.detach().to(torch.promote_types(images.dtype, torch.float32), copy=True)


def one_each(scores: Tensor) -> Tensor:
    """``[N, ...]`` as ``[N]``: of a critic that scores patches, the sum over them."""
    return scores.reshape(len(scores), -1).sum(1)
