"""The formulas of the normalized critics: from a discriminator's score and its gradient to ``h``.

``f`` are the scores ``[N]``, ``gradient`` is ``grad_x f`` ``[N, C, H, W]``. Every formula is a pure function
that
returns numerator and denominator of ``h``; ``divide`` alone knows what 0/0 is. ``|.|`` of a gradient is the
L2 norm over all pixels of a sample, in float32 or wider. All of them are differentiated as they stand, by
``f`` and by ``gradient``: the norm in the denominator is part of the graph.

========  =========================================  ====================================================
name      h                                          source
========  =========================================  ====================================================
gn        f / (|grad f| + |f|)                       gradient normalization (Wu et al., ICCV 2021)
gn0       f / |grad f|                               its ablation, zeta = 0
gn1       f / (|grad f| + 1)                         its ablation, zeta = 1
pgn       (1 - f) / (|grad f| + |1 - f|)             penalty gradient normalization, Table I and the proof
                                                     of theorem 6
pgn-code  (1 - f) / (|1 - grad f| + |1 - f|)         the same paper's Algorithm 1 and published code
gran      (f / tau) |grad f| / (|grad f|^2 + eps)    Bhaskara et al., WACV 2022
========  =========================================  ====================================================

Where the discriminator is piecewise linear (``f(x + v) = f(x) + <grad f, v>`` nearby):

- gn: ``|grad_x h| = (|grad f| / (|grad f| + |f|))^2 <= 1`` (theorem 6), and h lies in [-1, 1].
- pgn is gn of ``1 - f``, to the last bit but the sign of zero, and has the same bound.
- pgn-code is another function: 1 is the all-ones image, so that with d pixels ``|1 - grad f|`` begins near
  ``sqrt(d)`` and h is a softsign of that temperature until f has grown. Its gradient is not bounded by 1.
- gran: ``|grad_x h| = K |grad f|^2 / (|grad f|^2 + epsilon)`` with ``K = 1/tau``, so
  epsilon must be far below ``|grad f|^2``, which is as small as 0.008^2 when training begins.
"""

from collections.abc import Callable

import torch
from torch import Tensor

#: (f, gradient) -> (numerator, denominator), each ``[N]``.
Normalization = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def gradient_normalization(f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return f, norm(gradient) + f.abs()


def gradient_normalization_0(f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Unbounded: where the critic is flat, h is infinite."""
    return f, norm(gradient)


def gradient_normalization_1(f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return f, norm(gradient) + 1


def penalty_gradient_normalization(f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return 1 - f, norm(gradient) + (1 - f).abs()


def penalty_gradient_normalization_as_published(f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return 1 - f, norm(1 - gradient) + (1 - f).abs()


def piecewise_gradient_normalization(tau: float, epsilon: float) -> Normalization:
    """GraN with the Lipschitz constant ``1 / tau``."""

    def normalize(f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        length = norm(gradient)
        return f / tau * length, length.square() + epsilon

    return normalize


def norm(gradient: Tensor) -> Tensor:
    """The L2 norm of every sample ``[N, ...]``, as ``[N]``."""
    norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return norms


def normalize(formula: Normalization, f: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """``h`` in float32 or wider, and how many samples were 0/0."""
    dtype = torch.promote_types(f.dtype, torch.float32)
    return divide(*formula(f.to(dtype), gradient.to(dtype)))


def divide(numerator: Tensor, denominator: Tensor) -> tuple[Tensor, Tensor]:
    """The quotient, 0 where it is 0/0 (there it passes no gradient either), and how often that was."""
    is_undefined = (numerator == 0) & (denominator == 0)
    safe = torch.where(is_undefined, torch.ones_like(denominator), denominator)
    return torch.where(is_undefined, torch.zeros_like(numerator), numerator / safe), is_undefined.sum()
