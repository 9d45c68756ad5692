"""How much the critic changes on the way uphill, near and far (GraN, figure 4 and section 7).

    D_i(delta) = |h(x_i + delta n_i) - h(x_i)| / delta,   n_i = grad h(x_i) / |grad h(x_i)|

over a grid of lengths ``delta``, in pixels of [-1, 1] as an L2 norm over the whole image. Each is a lower
bound of the critic's Lipschitz constant; toward ``delta = 0`` it becomes the gradient's norm.

Healthy: alike for all lengths, or falling gently. Sick: high for short ways and near 0 for long ones, the
critic is steep in tiny regions around the samples and knows nothing beyond. Where the gradient is exactly 0
the way goes in a random direction, and the sample is counted: a critic with many of those is dead.

Under gradient normalization differences may exceed what bounds the gradient: where a way crosses into another
pattern of active units ``|grad f|`` leaps, and ``h``, which divides by it, leaps too. Healthy: rarely, and
toward 1 and below for long ways.

**The shortest way that means something.** A score is rounded to about ``eps (|h| + |grad h| rms(x))``, the
size of the terms that were summed to it, and a difference over ``delta`` carries that over ``delta``. So the
result is good to about 1 % from

    delta_i = 100 SUMMING eps (|h| / |grad h| + rms(x)),   eps = 2^-23 in float32, SUMMING = 4

on, which is reported as ``floor``: 1e-4 for a critic whose gradient and score are near 1, and beyond the
shortest way of the grid once the gradient is a hundredth of the score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from .gradient_norms import Slope, one_each, slope, widened
from .undisturbed import full_float32

#: The lengths of the ways, evenly spaced as logarithms go.
DELTAS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: How many roundings of a score's terms its own error amounts to.
SUMMING: Final = 4.0


@dataclass(frozen=True)
class Differences:
    #: ``D_i(delta)``, ``[len(deltas), N]``.
    values: Tensor
    #: The shortest way that each sample's difference is good to 1 % for, ``[N]``.
    floor: Tensor
    #: Which samples have no gradient, bool ``[N]``.
    is_flat: Tensor


def finite_differences(
    score: Callable[[Tensor], Tensor],
    images: Tensor,
    deltas: Sequence[float],
    generator: torch.Generator,
) -> Differences:
    """Of ``score`` at ``images`` ``[N, ...]``. ``generator``, on the CPU, draws directions where there is no
    gradient.
    """
    x = widened(images)
    at = slope(score, x)
    is_flat = at.norm == 0
    directions = directions_of(at, is_flat, generator)
    with torch.no_grad(), full_float32(x.device):
        values = [
            (one_each(score(x + delta * directions)).detach() - at.score).abs() / delta for delta in deltas
        ]
    return Differences(torch.stack(values), smallest_meaningful(x, at), is_flat)


def directions_of(at: Slope, is_flat: Tensor, generator: torch.Generator) -> Tensor:
    """Unit vectors along the gradient, and random ones where it is 0."""
    shape = [len(is_flat), *[1] * (at.gradient.dim() - 1)]
    random = torch.randn(at.gradient.shape, generator=generator, device="cpu").to(
        at.gradient, non_blocking=True
    )
    ways = torch.where(is_flat.view(shape), random, at.gradient)
    lengths: Tensor = torch.linalg.vector_norm(ways.flatten(1), dim=1)
    return ways / lengths.view(shape)


def smallest_meaningful(x: Tensor, at: Slope) -> Tensor:
    """The ``floor`` of ``Differences``; infinite where there is no gradient."""
    size = x.flatten(1).square().mean(1).sqrt()
    floor = (at.score.abs() / at.norm + size) * (100 * SUMMING * torch.finfo(x.dtype).eps)
    return torch.where(at.norm == 0, torch.inf, floor)
