"""James-Stein shrinkage and its entropy, mode by mode over all m of them, in 60 digits."""

from collections.abc import Sequence

import mpmath

DIGITS = 60


def shrinkage(counts: Sequence[int], m: int) -> mpmath.mpf:
    n = sum(counts)
    p = [mpmath.mpf(count) / n for count in counts] + [mpmath.mpf(0)] * (m - len(counts))
    denominator = (n - 1) * mpmath.fsum((mpmath.mpf(1) / m - p_j) ** 2 for p_j in p)
    # A denominator of rounding errors stands for 0.
    if denominator < mpmath.mpf(10) ** -40:
        return mpmath.mpf(1)
    return min(mpmath.mpf(1), max(mpmath.mpf(0), (1 - mpmath.fsum(p_j**2 for p_j in p)) / denominator))


def _entropy(counts: Sequence[int], m: int) -> mpmath.mpf:
    n = sum(counts)
    lam = shrinkage(counts, m)
    p = [mpmath.mpf(count) / n for count in counts] + [mpmath.mpf(0)] * (m - len(counts))
    shrunk = [lam / m + (1 - lam) * p_j for p_j in p]
    return -mpmath.fsum(p_j * mpmath.log(p_j) for p_j in shrunk if p_j > 0)


def entropy(counts: Sequence[int], m: int) -> float:
    with mpmath.workdps(DIGITS):
        return float(_entropy(counts, m))


def jackknife(counts: Sequence[int], m: int) -> float:
    """The standard error of the entropy from leaving out each sample in turn."""
    with mpmath.workdps(DIGITS):
        n = sum(counts)
        left_out = []
        for mode, count in enumerate(counts):
            without = [*counts[:mode], count - 1, *counts[mode + 1 :]]
            left_out += [_entropy(without, m)] * count
        mean = mpmath.fsum(left_out) / n
        return float(mpmath.sqrt(mpmath.mpf(n - 1) / n * mpmath.fsum((e - mean) ** 2 for e in left_out)))
