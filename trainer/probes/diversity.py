"""Diversity D: over how many modes the samples spread, as an entropy (SQD, equations 7 to 9 and Algorithm 1).

A judge assigns every sample to one of m modes (a digit, an identity, a bin). The entropy of the counts is
biased low when samples are few, so the frequencies are first shrunk toward the uniform ``1/m`` by James and
Stein's rule (Hausser and Strimmer, 2009):

    lambda = (1 - sum p_j^2) / ((n - 1) sum (1/m - p_j)^2)
    D      = - sum q_j ln q_j,   q_j = lambda/m + (1 - lambda) p_j

with lambda clipped to [0, 1], and 1 where its denominator is 0; D in nats, at most ``ln m``. Healthy: near
the same estimate for real images. Sick: it falls, modes are being dropped; near 0 the generator draws one
thing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Diversity:
    """The estimate and all that is needed to read it."""

    #: D, in nats.
    entropy: float
    #: Jackknife over the samples.
    standard_error: float
    #: lambda: 0 trusts the counts, 1 knows nothing and answers ``ln m``.
    shrinkage: float
    modes_seen: int
    #: ``D / ln m``
    share: float


def james_stein_entropy(counts: Sequence[int] | NDArray[np.int64], m: int) -> Diversity:
    """The diversity of ``counts``, samples by mode. Modes without samples may be left out: ``m`` says how
    many there are.

    Without samples nothing is known: NaN.
    """
    seen = np.asarray(counts, dtype=np.float64)
    seen = seen[seen != 0]
    if m < 2:
        raise ValueError(f"m = {m}: diversity needs at least two modes")
    if len(seen) > m:
        raise ValueError(f"{len(seen)} modes have samples, but m = {m}")
    if (seen < 0).any() or not np.isfinite(seen).all():
        raise ValueError("counts must be whole numbers from 0 up")
    if len(seen) == 0:
        return Diversity(math.nan, math.nan, math.nan, 0, math.nan)
    # Modes with equal counts are one term with a multiplicity, those without samples one more: cost and
    # memory follow the distinct counts, at most sqrt(2 n), whatever m is.
    values, multiplicity = np.unique(seen, return_counts=True)
    values = np.append(values, 0.0)
    multiplicities: Floats = np.append(multiplicity, m - len(seen)).astype(np.float64)
    entropy, shrinkage = _shrunk_entropy(values, multiplicities, m)
    return Diversity(
        entropy=float(entropy),
        standard_error=_jackknife(values, multiplicities, m),
        shrinkage=float(shrinkage),
        modes_seen=len(seen),
        share=float(entropy) / math.log(m),
    )


def _shrunk_entropy(values: Floats, multiplicity: Floats, m: int) -> tuple[Floats, Floats]:
    """D and lambda where ``multiplicity`` modes have ``values`` samples each, along the last axis; other
    axes in parallel.
    """
    n = (multiplicity * values).sum(axis=-1, keepdims=True)
    # Both sums times n^2, in whole numbers: neither cancels, and a uniform count gives exactly 0 below.
    spread = (multiplicity * values * (n - values)).sum(axis=-1, keepdims=True)
    distance = (multiplicity * ((n - m * values) / m) ** 2).sum(axis=-1, keepdims=True)
    denominator = (n - 1) * distance
    known = denominator > 0
    shrinkage = np.where(known, np.minimum(1.0, spread / np.where(known, denominator, 1.0)), 1.0)
    p = shrinkage / m + (1 - shrinkage) * values / n
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    return 0.0 - (multiplicity * terms).sum(axis=-1), shrinkage[..., 0]


def _jackknife(values: Floats, multiplicity: Floats, m: int) -> float:
    """The standard error of D from leaving every sample out once; samples of modes with equal counts answer
    alike.
    """
    n = float((multiplicity * values).sum())
    if n < 2:
        return math.nan
    without = np.unique(np.concatenate([values, values[values > 0] - 1]))
    base = np.zeros(len(without))
    base[np.searchsorted(without, values)] = multiplicity
    occupied = values[values > 0]
    weights = (multiplicity * values)[values > 0] / n
    changed = np.tile(base, (len(occupied), 1))
    row = np.arange(len(occupied))
    changed[row, np.searchsorted(without, occupied)] -= 1
    changed[row, np.searchsorted(without, occupied - 1)] += 1
    entropies, _ = _shrunk_entropy(without, changed, m)
    mean = float((weights * entropies).sum())
    return math.sqrt((n - 1) * float((weights * (entropies - mean) ** 2).sum()))
