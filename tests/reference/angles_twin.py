"""The angle between two weight vectors, in as many digits as it takes, number by number."""

from collections.abc import Iterable

import mpmath
import torch
from torch import Tensor

DIGITS = 50


def _vector(weights: Iterable[Tensor]) -> list[mpmath.mpf]:
    return [
        mpmath.mpf(value)
        for weight in weights
        for value in weight.detach().to(torch.float64).flatten().tolist()
    ]


def angle(before: Iterable[Tensor], after: Iterable[Tensor]) -> float:
    """Degrees, by the law of cosines."""
    with mpmath.workdps(DIGITS):
        a, b = _vector(before), _vector(after)
        lengths = mpmath.sqrt(mpmath.fdot(a, a)) * mpmath.sqrt(mpmath.fdot(b, b))
        return float(mpmath.degrees(mpmath.acos(mpmath.fdot(a, b) / lengths)))


def norm(weights: Iterable[Tensor]) -> float:
    with mpmath.workdps(DIGITS):
        a = _vector(weights)
        return float(mpmath.sqrt(mpmath.fdot(a, a)))


def relative_update(before: Iterable[Tensor], after: Iterable[Tensor]) -> float:
    with mpmath.workdps(DIGITS):
        a, b = _vector(before), _vector(after)
        change = [y - x for x, y in zip(a, b, strict=True)]
        return float(mpmath.sqrt(mpmath.fdot(change, change)) / mpmath.sqrt(mpmath.fdot(a, a)))
