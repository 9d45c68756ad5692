"""Lipschitz probes the slow way: one sample at a time, in float64, with whole Jacobians."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.reference.critics_twin import gradient, length

Score = Callable[[Tensor], Tensor]


def difference(score: Score, image: Tensor, delta: float) -> float:
    """``|h(x + delta n) - h(x)| / delta`` uphill from one image ``[C, H, W]``."""
    uphill = gradient(score, image)
    norm = length(uphill)
    there = image + delta * torch.tensor(uphill, dtype=image.dtype).view_as(image) / norm
    return abs(score(there[None]).item() - score(image[None]).item()) / delta


def lipschitz_constant(score: Score, images: Tensor) -> float:
    return max(length(gradient(score, image)) for image in images)


def saturated(scores: list[float], bound: float | None, margin: float | None, *, is_real: bool) -> float:
    beyond = 0
    for score in scores:
        on_its_side = score if is_real else -score
        beyond += (bound is not None and abs(score) > 0.99 * bound) or (
            margin is not None and on_its_side >= margin
        )
    return beyond / len(scores)


def push(loss: Callable[[Tensor], Tensor], score: Score, image: Tensor) -> float:
    """The gradient's length of one image's own loss."""
    return length(gradient(lambda x: loss(score(x)), image))


def operator_norm(layer: nn.Module, shape: tuple[int, ...]) -> float:
    """The largest singular value of the matrix that ``layer`` is, bias aside, column by column."""
    linear = copy.deepcopy(layer).double()
    zero = linear(torch.zeros(1, *shape, dtype=torch.float64)).flatten()
    columns = []
    for i in range(math.prod(shape)):
        x = torch.zeros(math.prod(shape), dtype=torch.float64)
        x[i] = 1
        columns.append(linear(x.view(1, *shape)).flatten() - zero)
    return float(torch.linalg.matrix_norm(torch.stack(columns, dim=1).detach(), ord=2))


def steepness(part: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """The largest singular value of ``part``'s Jacobian over ``images``, one whole Jacobian at a time."""
    norms = []
    for image in images:
        jacobian = torch.autograd.functional.jacobian(part, image[None].double())
        norms.append(float(torch.linalg.matrix_norm(jacobian.reshape(-1, image.numel()), ord=2)))
    return max(norms)
