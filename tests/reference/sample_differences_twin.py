"""Sample differences penalization, eq. 6 to 8 of its paper, pair by pair, on Python floats."""

import math
from typing import NamedTuple

from torch import Tensor


class Seen(NamedTuple):
    h: list[float]
    #: Of each block, after its activation: [N, C, H, W].
    blocks: list[Tensor]


def pairs(h: list[float], fake: list[Tensor], real: list[Tensor], k: int) -> list[tuple[int, int]]:
    """The k best generated images, the best first, each with the real one nearest to it."""
    best = sorted(range(len(h)), key=lambda i: -h[i])[:k]
    return [(i, min(range(len(real)), key=lambda j: distance(fake[i], real[j]))) for i in best]


def distance(one: Tensor, other: Tensor) -> float:
    differences = (one.double() - other.double()).flatten().tolist()
    return math.sqrt(math.fsum(d * d for d in differences))


def feature(block: Tensor, normalize: str) -> list[float]:
    """Of one sample's block [C, H, W]: each channel's maximum, divided by their (squared) norm."""
    phi = [max(channel.flatten().tolist()) for channel in block]
    square = math.fsum(p * p for p in phi)
    if square == 0:
        return [0.0] * len(phi)
    return [p / (square if normalize == "squared" else math.sqrt(square)) for p in phi]


def penalty(weight: float, chosen: list[tuple[int, int]], fake: Seen, real: Seen, normalize: str) -> float:
    terms = []
    for i, j in chosen:
        terms.append((fake.h[i] - real.h[j]) ** 2)
        for of_fake, of_real in zip(fake.blocks, real.blocks, strict=True):
            one, other = feature(of_fake[i], normalize), feature(of_real[j], normalize)
            terms += [(a - b) ** 2 for a, b in zip(one, other, strict=True)]
    return weight / len(chosen) * math.fsum(terms)
