"""Trainings as a stranger's loop would log them, through the real client."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np

import monitor
from monitor import Run
from tests.monitor.api.running import TOKEN, Running

JUDGE = "tests"
STEPS_AN_EPOCH = 5
SERIES: dict[str, dict[str, Any]] = {
    "angle/epoch/g": {"role": "S_G_ep", "unit": "°"},
    "angle/epoch/d": {"role": "S_D_ep", "unit": "°"},
    "angle/iter/g": {"role": "S_G", "unit": "°"},
    "angle/iter/d": {"role": "S_D", "unit": "°"},
    f"quality/{JUDGE}": {
        "role": "Q",
        "direction": "higher",
        "lower": 0,
        "upper": 1,
        "judge": JUDGE,
        "n": 1000,
    },
    f"diversity/{JUDGE}": {
        "role": "D",
        "unit": "nats",
        "direction": "higher",
        "lower": 0,
        "upper": math.log(10),
        "judge": JUDGE,
        "m": 10,
        "n": 1000,
        "help": "Entropy of the classes that the judge sees.",
    },
    "loss/g": {"role": "loss_G"},
    "loss/d": {"role": "loss_D"},
}


def begin(service: Running, directory: Path, name: str = "a training", **options: Any) -> Run:
    settings = {"project": "digits", "server": service.url, "token": TOKEN, "directory": directory}
    return monitor.init(**{**settings, "name": name, **options})


def declare(run: Run) -> None:
    for name, fields in SERIES.items():
        run.declare(name, **fields)


class Training:
    """Epochs of a run that learns and, from ``turns_at`` on, has collapsed."""

    def __init__(self, run: Run, turns_at: int | None = None, seed: int = 1) -> None:
        self.run, self.turns_at = run, turns_at
        self.epoch = self.step = 0
        self._random = random.Random(seed)
        declare(run)

    def epochs(self, count: int) -> None:
        for _ in range(count):
            self._one_epoch()

    def _one_epoch(self) -> None:
        self.epoch += 1
        has_turned = self.turns_at is not None and self.epoch >= self.turns_at
        jump = 12.0 if self.turns_at == self.epoch else 1.0
        for _ in range(STEPS_AN_EPOCH):
            self.step += 1
            self.run.log(
                {
                    "angle/iter/g": 0.3 * self._about(jump, 0.05),
                    "angle/iter/d": 0.2 * self._about(jump, 0.05),
                    "loss/g": self._about(0.9 if has_turned else 0.5, 0.05),
                    "loss/d": self._about(0.1 if has_turned else 0.4, 0.05),
                },
                step=self.step,
            )
        mark = self.run.mark(step=self.step, epoch=self.epoch)
        learned = 1 - math.exp(-self.epoch / 4)
        self.run.log(
            {
                "angle/epoch/g": 4.0 * self._about(jump, 0.05),
                "angle/epoch/d": 3.0 * self._about(jump, 0.05),
                f"quality/{JUDGE}": 0.5 if has_turned else 0.9 * learned + self._random.gauss(0, 0.01),
                f"diversity/{JUDGE}": 0.45 if has_turned else 2.2 * learned + self._random.gauss(0, 0.01),
            },
            step=self.step,
            mark=mark,
        )
        grid = np.full((4, 8, 8), 4 * self.epoch % 256, np.uint8)
        self.run.log_images("samples", grid, step=self.step, mark=mark)

    def _about(self, value: float, spread: float) -> float:
        return value * math.exp(self._random.gauss(0, spread))


def train(run: Run, epochs: int, turns_at: int | None = None) -> None:
    """A whole training, delivered."""
    Training(run, turns_at).epochs(epochs)
    finish(run)


def finish(run: Run) -> None:
    summary = run.finish()
    assert summary.pending == 0, summary
