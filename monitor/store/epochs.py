"""Steps as epochs: the evaluation marks say which epoch a step is, and between them time is even.

Piecewise linear through the origin and every mark that goes forward in both, continued at the end with the
last slope, exactly as the page draws it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import Connection

from monitor.errors import Problem
from monitor.store.marks import list_marks


class Epochs:
    """Raises :class:`Problem` where no mark names an epoch."""

    def __init__(self, steps: Iterable[int], epochs: Iterable[float | None]) -> None:
        knots = [(0.0, 0.0)]
        for step, epoch in zip(steps, epochs, strict=True):
            if epoch is not None and step > knots[-1][0] and epoch > knots[-1][1]:
                knots.append((float(step), epoch))
        if len(knots) == 1:
            raise Problem(
                422, "no-epochs", "No evaluation mark of the run names an epoch; ask by step.", field="axis"
            )
        self._steps, self._epochs = np.array(knots).T

    @classmethod
    def of_run(cls, c: Connection, run_id: str, attempt: int | None) -> Epochs:
        marks = list_marks(c, run_id, attempt)
        return cls(marks["step"], marks["epoch"])

    def step_at(self, epoch: float | None) -> float | None:
        return None if epoch is None else float(_interpolate(self._epochs, self._steps, epoch))

    def epochs_at(self, steps: ArrayLike) -> list[float]:
        listed: list[float] = _interpolate(self._steps, self._epochs, steps).tolist()
        return listed


def _interpolate(x: NDArray[np.float64], y: NDArray[np.float64], at: ArrayLike) -> NDArray[Any]:
    values = np.asarray(at, np.float64)
    low = np.clip(np.searchsorted(x, values, side="right") - 1, 0, len(x) - 2)
    share = (values - x[low]) / (x[low + 1] - x[low])
    return np.asarray(y[low] + share * (y[low + 1] - y[low]))
