"""How steep the critic is: the norm of its gradient by the image, sample by sample (GraN, figure 3).

``|grad_x h(x)|``, L2 over all pixels of a sample, from one backward pass through ``h(x).sum()``; that is
the gradient of every sample on its own as long as no layer mixes samples, which in eval mode none does. It
differentiates *through* a normalized critic, not around it, so under gradient normalization the norms stay
at or below 1, and under GraN close to its constant K.

Healthy: the quantiles move slowly and stay together. Sick: the upper quantiles climb by orders of magnitude
(the critic becomes a cliff, the generator gets kicks), or the whole distribution falls to 0 (nothing to
learn from).
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from .undisturbed import full_float32

#: What a distribution holds, in this order: quantiles, then the mean and how many samples there were.
DISTRIBUTION_FIELDS: Final = ("min", "p1", "p5", "p25", "p50", "p75", "p95", "p99", "max", "mean", "n")
QUANTILES: Final = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def gradient_norms(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """``|grad_x score(x)|`` of every image ``[N, ...]``, as ``[N]``, in float32 or wider. No ``.grad`` is
    touched.
    """
    x = images.detach().to(torch.promote_types(images.dtype, torch.float32)).requires_grad_()
    with torch.inference_mode(False), torch.enable_grad(), full_float32(x.device):
        (gradient,) = torch.autograd.grad(score(x).sum(), x)
    norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return norms


def distribution(values: Tensor) -> Tensor:
    """The fields of ``DISTRIBUTION_FIELDS`` over ``values`` ``[N]``, float64, on their device. One NaN
    makes them NaN.
    """
    values = values.detach().to(torch.float64)
    at = torch.tensor(QUANTILES, dtype=torch.float64).to(values.device, non_blocking=True)
    quantiles = torch.quantile(values, at)
    count = torch.full((1,), len(values), dtype=torch.float64, device=values.device)
    return torch.cat([quantiles, values.mean(dim=0, keepdim=True), count])
