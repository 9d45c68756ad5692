"""An estimate of the critic's Lipschitz constant: its steepest gradient at many samples (GN, section 5.4).

    L_D = max |grad_x h(x)|   over n real and n generated images,

streamed in batches, so that n is bounded by time and not by memory. A lower bound: between samples the critic
may be steeper. Under GN it is at most 1 (theorem 6), under GraN near K; a raw critic has whatever it has.
Healthy: steady. Sick: it climbs by orders of magnitude, often before the samples get worse.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .gradient_norms import gradient_norms


def lipschitz_constant(score: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> Tensor:
    """The greatest ``|grad_x score|`` over all images of ``batches``, each ``[N, ...]``: a tensor without
    dimensions. One NaN makes it NaN.

    Raises ValueError if there is no image.
    """
    greatest: Tensor | None = None
    for images in batches:
        of_batch = gradient_norms(score, images).max()
        greatest = of_batch if greatest is None else torch.maximum(greatest, of_batch)
    if greatest is None:
        raise ValueError("batches holds no images: a Lipschitz constant is estimated from at least one")
    return greatest


def highest(so_far: Tensor, value: Tensor) -> Tensor:
    """The running maximum, which a NaN does not end."""
    return torch.fmax(so_far, value)
