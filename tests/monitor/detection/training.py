"""Trainings as a detector sees them, made from a seed: healthy ones, dips, turns."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

MODES = 10
Change = Callable[[int, dict[str, float]], None]


def training(records: int, seed: int, *changes: Change, noise: float = 0.01) -> list[dict[str, float]]:
    """A run that learns, settles, and is then changed by ``changes`` (index, record)."""
    random_ = random.Random(seed)
    made = []
    for i in range(records):
        learned = 1 - math.exp(-i / 12)
        record = {
            "epoch": float(i),
            "Q": 0.2 + 0.6 * learned,
            "D": (0.5 + 0.45 * learned) * math.log(MODES),
            "S_G": 0.4 + math.exp(-i / 20),
            "S_D": 0.3 + math.exp(-i / 15),
            "S_G_ep": 2 + 6 * math.exp(-i / 20),
            "S_D_ep": 3 + 6 * math.exp(-i / 15),
            "lr_g": 2e-4,
            "lr_d": 2e-4,
        }
        for change in changes:
            change(i, record)
        for name in ("Q", "D"):
            record[name] = max(record[name] + random_.gauss(0, noise), 0.0)
        for name in ("S_G", "S_D", "S_G_ep", "S_D_ep"):
            record[name] *= math.exp(random_.gauss(0, 0.08))
        made.append(record)
    return made


def between(first: int, last: float, **factors: float) -> Change:
    """Multiply signals by these factors from record ``first`` up to ``last``."""

    def change(i: int, record: dict[str, float]) -> None:
        if first <= i < last:
            for name, factor in factors.items():
                record[name] *= factor

    return change


def natural_collapse(at: int) -> Change:
    """As small convolutional GANs do it: the epoch angle leaps once, D falls for good, the angles die."""

    def change(i: int, record: dict[str, float]) -> None:
        if i == at:
            record["S_G_ep"], record["S_D_ep"] = 48.0, 61.0
            record["S_G"], record["S_D"] = 3.0, 4.0
        if i > at:
            for name in ("S_G", "S_D", "S_G_ep", "S_D_ep"):
                record[name] *= 0.3 ** min(i - at, 6)
        if i >= at:
            record["D"] *= 0.2

    return change


def turn(at: int) -> Change:
    """Everything at once and for good."""
    return between(at, math.inf, Q=0.6, D=0.7, S_G=4, S_D=3, S_G_ep=4, S_D_ep=3)


def losses(i: int, record: dict[str, float]) -> None:
    """Losses and gradient norms of a steady game."""
    wave = 0.05 * math.sin(i)
    record.update(loss_G=0.7 + wave, loss_D=1.3 - wave, gn_real=2.0 + wave)


def missing(first: int, last: float, *names: str) -> Change:
    """Signals that are not there from ``first`` up to ``last``."""

    def change(i: int, record: dict[str, float]) -> None:
        if first <= i < last:
            record.update(dict.fromkeys(names, math.nan))

    return change


def raises(alerts: Iterator[dict[str, object] | None]) -> list[int]:
    """The records at which an alert began."""
    return [i for i, alert in enumerate(alerts) if alert is not None and alert["state"] == "firing"]
