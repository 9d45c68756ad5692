"""What a rule remembers of the recent past, in a state that stays small however often points come.

A window of length L slides in steps of L / 32: it is kept as up to 32 panes, whose edges are multiples of
L / 32, each with the minimum, maximum, sum and counts of what fell into it. So a window of up to 32 steps is
exact, and a longer one is off by 3 % of its length at most, at its far end. NaN and infinity are counted and
left out of minimum, maximum and mean.
"""

from __future__ import annotations

from math import floor, inf, isfinite, nan
from typing import Any

from monitor.detection.rules.rule import Place, Span

PANES = 32


def pack(value: float) -> float | str:
    """A float as JSON has it."""
    return value if isfinite(value) else str(value)


class Window:
    """The statistics of what lies behind a place, up to a length."""

    def __init__(self, span: Span) -> None:
        self._unit, self._pane = span.unit, span.amount / PANES
        #: Each: key, min, max, sum, finite, all. The oldest first.
        self._panes: list[list[float]] = []

    def add(self, place: Place, value: float) -> None:
        """Points without a coordinate (no epoch yet) are left out."""
        coordinate = place.along(self._unit)
        if coordinate is None:
            return
        key = float(floor(coordinate / self._pane))
        panes = self._panes
        if not panes or key > panes[-1][0]:
            panes.append([key, inf, -inf, 0.0, 0.0, 0.0])
            while panes[0][0] <= key - PANES:
                del panes[0]
        # Time does not run backwards here, whatever a clock does.
        newest = panes[-1]
        newest[5] += 1
        if isfinite(value):
            newest[1], newest[2] = min(newest[1], value), max(newest[2], value)
            newest[3] += value
            newest[4] += 1

    def statistic(self, name: str) -> float | None:
        """None where nothing finite lies in the window."""
        panes = self._panes
        finite, count = sum(pane[4] for pane in panes), sum(pane[5] for pane in panes)
        if name == "count":
            return count
        if name == "non-finite":
            return count - finite
        if not finite:
            return None
        if name == "min":
            return min(pane[1] for pane in panes)
        if name == "max":
            return max(pane[2] for pane in panes)
        return sum(pane[3] for pane in panes) / finite

    def state(self) -> list[list[float | str]]:
        return [[pack(number) for number in pane] for pane in self._panes]

    def restore(self, state: list[list[Any]]) -> None:
        self._panes = [[float(number) for number in pane] for pane in state]


class History:
    """What a quantity was some length ago: the last value before, to within a 32nd of the length."""

    def __init__(self, span: Span) -> None:
        self._span = span
        #: (coordinate, quantity), the last of each pane, the oldest first.
        self._kept: list[tuple[float, float]] = []

    def before(self, place: Place) -> float:
        """NaN where nobody knows it yet."""
        coordinate = place.along(self._span.unit)
        found = nan
        for at, quantity in self._kept:
            if coordinate is None or at > coordinate - self._span.amount:
                break
            found = quantity
        return found

    def add(self, place: Place, quantity: float) -> None:
        coordinate = place.along(self._span.unit)
        if coordinate is None:
            return
        kept, pane = self._kept, self._span.amount / PANES
        if kept:
            coordinate = max(coordinate, kept[-1][0])
            if floor(kept[-1][0] / pane) == floor(coordinate / pane):
                kept.pop()
        kept.append((coordinate, quantity))
        while len(kept) > 1 and kept[1][0] <= coordinate - self._span.amount:
            del kept[0]

    def state(self) -> list[list[float | str]]:
        return [[pack(at), pack(quantity)] for at, quantity in self._kept]

    def restore(self, state: list[list[Any]]) -> None:
        self._kept = [(float(at), float(quantity)) for at, quantity in state]
