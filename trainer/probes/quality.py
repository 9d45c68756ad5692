"""Quality Q: how good one sample is, on average (SQD, equation 6).

``Q = mean of q(x)``, where the judge's ``q(x)`` in [0, 1] says how surely x is a thing of the data set: the
face probability of a face detector, the highest class probability of a classifier. Reported with its
standard error ``std(q) / sqrt(n)``, which for numbers in [0, 1] is at most ``0.5 / sqrt(n)``.

Healthy: climbs toward the value of real images. Sick: falls. A generator that draws one perfect sample has
a perfect Q, so read it together with D.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Quality:
    """float64 tensors without dimensions, on the device of the scores."""

    mean: Tensor
    standard_error: Tensor


def quality(scores: Tensor) -> Quality:
    """Q of ``scores`` ``[N]``, one a sample. NaN scores make it NaN."""
    scores = scores.detach().to(torch.float64)
    return Quality(scores.mean(), scores.std(correction=0) / len(scores) ** 0.5)


def recognized(scores: Tensor) -> Tensor:
    """The share of ``scores`` ``[N]`` over one half: how many samples are taken for a thing of the data set
    at all, without which their modes mean nothing. NaN scores make it NaN.
    """
    scores = scores.detach().to(torch.float64)
    return torch.where(scores.isnan(), scores, (scores > 0.5).double()).mean()
