"""How often alerts were false: counts, and what they say of the rate.

False alarms in healthy training are counted as a Poisson process; the interval is Garwood's exact one, which
holds for no events too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, lgamma, log


@dataclass(frozen=True)
class FalseAlarms:
    """``dismissed`` of ``confirmed`` alerts were called false, in ``healthy`` records of healthy training."""

    dismissed: int
    confirmed: int
    healthy: int

    @property
    def per_thousand(self) -> float | None:
        """False alarms per 1000 records; None where nothing healthy was watched."""
        return 1000 * self.dismissed / self.healthy if self.healthy else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % for ``per_thousand``."""
        if not self.healthy:
            return None
        low, high = poisson_interval(self.dismissed)
        return 1000 * low / self.healthy, 1000 * high / self.healthy

    @property
    def sentence(self) -> str:
        """All of it for a person."""
        if self.per_thousand is None or self.interval is None:
            return "No healthy training was watched yet, so nothing is known of false alarms here."
        low, high = self.interval
        were = "was" if self.dismissed == 1 else "were"
        return (
            f"{self.dismissed} of {self.confirmed} confirmed turning points {were} dismissed as false, in "
            f"{self.healthy:,} evaluations of healthy training: {self.per_thousand:.3g} in 1000 "
            f"(95 %: {low:.2g} to {high:.2g}). What nobody dismissed counts as true."
        )


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Garwood's exact interval for the mean of a Poisson count."""
    tail = (1 - confidence) / 2
    most = 20.0 + 3 * count
    low = _solve(lambda mean: 1 - _at_most(count - 1, mean) - tail, most) if count else 0.0
    return low, _solve(lambda mean: tail - _at_most(count, mean), most)


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval for a proportion; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, size = successes / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / size
    half = z / size * (share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _at_most(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    return sum(exp(i * log(mean) - mean - lgamma(i + 1)) for i in range(count + 1))


def _solve(rising: Callable[[float], float], most: float) -> float:
    """The root of a rising function in [0, most]."""
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
