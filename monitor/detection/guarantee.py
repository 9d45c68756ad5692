"""A mark with a promise about false alarms: an e-detector.

Shin, Ramdas and Rinaldo, *E-detectors*, NEJSDS 2024, doi 10.51387/23-NEJSDS51.

The detector's thresholds are set by experience. This mark stands beside its alert, never before or instead
of it, and its promise needs no word about distributions, trends or independence:

    If, at every record, the expected value of Q given the past is not more than ``TOLERANCE`` below Q's
    trailing median, and the same holds of D / ln m, then the expected number of records until a mark is at
    least ``arl`` (the average run length).

For x in [0, 1] with the reference m (the median of the values that lie ``LAG`` records and more back, minus
the tolerance: known before x is), ``e = 1 + b (m - x) / (1 - m)`` is at least 0, and its conditional mean is
at most 1 while the above holds. The Shiryaev-Roberts sum ``M <- (M + 1) e`` then grows by at most 1 a record
on average; so does the mean of such sums over bets ``b`` and over Q and D. Hence the expected time until the
mean reaches ``arl`` is at least ``arl``. What is paid is delay: some five to seven records where the detector
takes one to three.

A record without Q and D bets on nothing and costs nothing. Healthy: the mean stays within a few records.
Sick: it grows by a factor with every record.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, log
from typing import Any

from monitor.detection.channel import LAG, SETTLE, WINDOW, median
from monitor.detection.signals import MATERIAL, VALUES

#: Records of healthy training between two false marks, at the least and on average.
ARL = 1000
#: How far the expected value may lie below the trailing median: what a person would care about.
TOLERANCE = {name: MATERIAL[name] for name in VALUES}
#: Small bets find slow losses, large ones fast.
BETS = (0.1, 0.3, 0.6, 0.95)


class Guarantee:
    """``update(record)`` says whether the mark falls on this record. Its state is JSON.

    ``meta`` as the detector has it; without ``m`` or ``ln_m`` D is not watched, since it has no bound.
    """

    def __init__(self, meta: Mapping[str, Any] | None = None, arl: float = ARL) -> None:
        if not arl >= 1:
            raise ValueError(f"arl is {arl!r}: an average run length is at least 1 record")
        meta = meta or {}
        modes = meta.get("m")
        self.arl = arl
        self.bounds = {"Q": 1.0, "D": meta.get("ln_m") or (log(modes) if modes and modes > 1 else 0.0)}
        self.values: dict[str, list[float]] = {name: [] for name in VALUES}
        self.sums = {name: [0.0] * len(BETS) for name in VALUES}

    @property
    def evidence(self) -> float:
        """The mean of the sums: what the mark waits for to reach ``arl``."""
        return sum(sum(sums) for sums in self.sums.values()) / (len(BETS) * len(VALUES))

    def update(self, record: Mapping[str, Any]) -> bool:
        """Take the next record."""
        for name, bound in self.bounds.items():
            value = record.get(name)
            if value is not None and isfinite(value) and bound:
                self._bet(name, min(max(value / bound, 0.0), 1.0))
        if self.evidence < self.arl:
            return False
        self.sums = {name: [0.0] * len(BETS) for name in VALUES}
        return True

    def reference(self, name: str) -> float | None:
        """What the expected next value is held against; None while too little is known."""
        past = self.values[name][:-LAG]
        return median(sorted(past)) - TOLERANCE[name] if len(past) >= SETTLE else None

    def _bet(self, name: str, value: float) -> None:
        reference = self.reference(name)
        self.values[name] = [*self.values[name], value][-WINDOW - LAG :]
        if reference is None or reference <= 0:
            return
        odds = (reference - value) / (1 - reference)
        self.sums[name] = [
            (sum_ + 1) * max(1 + bet * odds, 0.0) for sum_, bet in zip(self.sums[name], BETS, strict=True)
        ]

    def state(self) -> dict[str, Any]:
        """All that it remembers, as JSON knows it."""
        return {
            "values": {name: list(values) for name, values in self.values.items()},
            "sums": {name: list(sums) for name, sums in self.sums.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` said."""
        self.values = {name: list(state["values"][name]) for name in VALUES}
        self.sums = {name: list(state["sums"][name]) for name in VALUES}
