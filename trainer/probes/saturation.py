"""How many samples have a score so far out that the critic or the loss is flat there.

Two flat places, and a sample saturates in either:

- **A bounded critic's ends**, on both sides: under GN and PGN ``|h| < 1``, and where ``|h| > 0.99`` the
  gradient ``(1 - |h|)^2`` is a ten-thousandth of its most.
- **Beyond the loss's margin**, on the sample's own side (real above, fake below): hinge is exactly flat from
  1 on; the non-saturating loss has slope ``sigmoid(-h)``, under 1 % beyond ``ln 99 = 4.6``; soft hinge beyond
  5.6. Least squares and Wasserstein are flat nowhere.

Healthy: few. Sick: nearly all, the critic is sure of everything and teaches nothing.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

#: What part of its scale a bounded score may use up.
NEARLY_ALL: Final = 0.99
#: Where a sigmoid is within 1 % of its end.
SIGMOID_MARGIN: Final = math.log(99)


@dataclass(frozen=True)
class Limits:
    """Where scores end to matter. None: nowhere."""

    #: What ``|h|`` never exceeds.
    bound: float | None = None
    #: What a real sample's score, and a fake one's negative, need not exceed.
    margin: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("bound", self.bound), ("margin", self.margin)):
            if value is not None and not value > 0:
                raise ValueError(f"saturation {name} = {value}: pass a positive number, or None for none")


def saturated(scores: Tensor, limits: Limits, *, is_real: bool) -> Tensor:
    """The share of ``scores`` ``[N]`` beyond ``limits``, without dimensions. A NaN is beyond no limit."""
    beyond = torch.zeros_like(scores, dtype=torch.bool)
    if limits.bound is not None:
        beyond = beyond | (scores.abs() > NEARLY_ALL * limits.bound)
    if limits.margin is not None:
        beyond = beyond | ((scores if is_real else -scores) >= limits.margin)
    return beyond.double().mean()
