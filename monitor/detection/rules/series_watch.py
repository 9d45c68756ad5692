"""One series under one rule: whether the condition holds, since when, and whether that is an alert by now."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.detection.rules.rule import QUANTILES, Odd, Place, Rule, Silent, Stuck, Threshold
from monitor.detection.rules.windows import History, Window, pack


@dataclass(frozen=True)
class Points:
    """Points of one series in the order of their steps, as they were stored. ``values`` is [n, width]."""

    id: int
    name: str
    role: str | None
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    #: NaN where there was no mark yet.
    epochs: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)

    def place(self, row: int) -> Place:
        epoch = float(self.epochs[row])
        return Place(int(self.steps[row]), None if isnan(epoch) else epoch, float(self.times[row]))


class Reading(NamedTuple):
    """What was seen of a series when its state changed; ``since`` is where the condition began to hold."""

    name: str
    value: float
    #: The quantity that the rule compares, and what it was before, where the rule compares with that.
    quantity: float
    before: float
    since: Place


Verdict = Literal["holds", "fires", "over"]


class Move(NamedTuple):
    """The series' state changed at a place."""

    place: Place
    series: int
    verdict: Verdict
    reading: Reading


class SeriesWatch:
    """Fed with the points of its series, and of the one that it is divided by; says what changed."""

    def __init__(self, rule: Rule, series: int, name: str) -> None:
        self.series, self.name = series, name
        self._rule = rule
        #: The newest point: its place, and how many points of that step were read.
        self.place: Place | None = None
        self.seen = 0
        self._since: Place | None = None
        self._fires = False
        #: Since when the condition is gone, while the alert is kept.
        self._gone: Place | None = None
        self._value = nan
        #: Since when the value is the same; seconds of silence.
        self._same: Place | None = None
        self._silence = 0.0
        condition = rule.condition
        over = condition.over if isinstance(condition, Threshold) else None
        change = condition.change if isinstance(condition, Threshold) else None
        ratio = condition.ratio if isinstance(condition, Threshold) else None
        self._window = Window(over) if over is not None else None
        self._history = History(change) if change is not None else None
        self._divisor_window = Window(over) if over is not None and ratio is not None else None
        self._divisor = nan

    def take(self, place: Place, row: NDArray[np.float64]) -> Move | None:
        """The next point. One of an earlier step is late: only a condition on a single value reads it."""
        condition = self._rule.condition
        value = float(row[QUANTILES.index(self._rule.quantile)] if len(row) > 1 else row[0])
        is_late = self.place is not None and place.step < self.place.step
        if is_late:
            late = isinstance(condition, Odd) and self._is_odd(condition, row)
            return self._judge(True, self.place or place, value, value, nan) if late else None
        self.seen = self.seen + 1 if self.place is not None and place.step == self.place.step else 1
        self.place = place
        before, self._value, self._silence = self._value, value, 0.0
        if self._rule.finite and not isfinite(value):
            return None
        match condition:
            case Odd():
                return self._judge(self._is_odd(condition, row), place, value, value, nan)
            case Stuck(span):
                if self._same is None or not (value == before or (isnan(value) and isnan(before))):
                    self._same = place
                is_stuck = span.has_passed(self._same, place)
                return self._judge(is_stuck, place, value, value, nan, since=self._same)
            case Threshold():
                return self._compare(condition, place, value)
            case _:
                return self._judge(False, place, value, value, nan)

    def divide_by(self, place: Place, row: NDArray[np.float64]) -> None:
        """A point of the series that this one is divided by."""
        value = float(row[QUANTILES.index(self._rule.quantile)] if len(row) > 1 else row[0])
        if self._divisor_window is not None:
            self._divisor_window.add(place, value)
        self._divisor = value

    def pass_by(self, now: Place, seconds: float) -> Move | None:
        """The run is here, and was heard of for so many seconds more: for how long is the series silent?"""
        condition = self._rule.condition
        if not isinstance(condition, Silent) or self.place is None:
            return None
        self._silence += seconds
        span = condition.span
        if span.unit == "seconds":
            is_silent = self._silence >= span.amount
        else:
            is_silent = now.step >= 0 and span.has_passed(self.place, now)
        # It was silent since its last point, and that is only ended by the next one.
        return self._judge(True, now, self._value, nan, nan, since=self.place) if is_silent else None

    def _is_odd(self, condition: Odd, row: NDArray[np.float64]) -> bool:
        if condition.oddity == "nan":
            return bool(np.isnan(row).any())
        if condition.oddity == "infinite":
            return bool(np.isinf(row).any())
        return not np.isfinite(row).all()

    def _compare(self, condition: Threshold, place: Place, value: float) -> Move | None:
        quantity = self._quantity(condition, place, value)
        before = nan
        if self._history is not None:
            measured, before = quantity, self._history.before(place)
            if not isnan(measured):
                self._history.add(place, measured)
            quantity = measured - before
            if condition.relative:
                quantity = _divide(quantity, abs(before))
        if isnan(quantity):
            return None  # NaN is no quantity: it neither begins nor ends anything
        holds = condition.holds(quantity, self._since is not None and self._gone is None)
        return self._judge(holds, place, value, quantity, before)

    def _quantity(self, condition: Threshold, place: Place, value: float) -> float:
        quantity: float | None = value
        divisor: float | None = self._divisor
        if self._window is not None:
            self._window.add(place, value)
            quantity = self._window.statistic(condition.statistic)
        if self._divisor_window is not None:
            divisor = self._divisor_window.statistic(condition.statistic)
        if quantity is None or condition.ratio is None:
            return nan if quantity is None else quantity
        return nan if divisor is None else _divide(quantity, divisor)

    def _judge(
        self,
        holds: bool,
        place: Place,
        value: float,
        quantity: float,
        before: float,
        *,
        since: Place | None = None,
    ) -> Move | None:
        if not holds:
            return self._end(place, value, quantity, before)
        self._gone = None
        was = self._since
        if was is None:
            self._since = was = since or place
            is_new = True
        else:
            # Until the first mark nobody knows the epoch; it counts from there.
            self._since = was = was._replace(epoch=place.epoch) if was.epoch is None else was
            is_new = False
        reading = Reading(self.name, value, quantity, before, was)
        hold = self._rule.hold
        if not self._fires and (hold is None or hold.has_passed(was, place)):
            self._fires = True
            return Move(place, self.series, "fires", reading)
        return Move(place, self.series, "holds", reading) if is_new else None

    def _end(self, place: Place, value: float, quantity: float, before: float) -> Move | None:
        if self._since is None:
            return None
        keep = self._rule.keep
        if self._fires and keep is not None:
            self._gone = self._gone or place
            if not keep.has_passed(self._gone, place):
                return None
        reading = Reading(self.name, value, quantity, before, self._since)
        self._since, self._fires, self._gone = None, False, None
        return Move(place, self.series, "over", reading)

    @property
    def verdict(self) -> Verdict:
        return "over" if self._since is None else "fires" if self._fires else "holds"

    def fire(self) -> None:
        """What holds is an alert, however long it has held."""
        self._fires = self._since is not None

    def state(self) -> dict[str, Any]:
        """All of it, as JSON has it; what is not there yet is left out."""
        places = {"place": self.place, "since": self._since, "gone": self._gone, "same": self._same}
        memories = {"window": self._window, "history": self._history, "divisors": self._divisor_window}
        numbers = {"value": self._value, "divisor": self._divisor}
        return {
            "name": self.name,
            "seen": self.seen,
            **{key: [place.step, place.epoch, place.time] for key, place in places.items() if place},
            **({"fires": True} if self._fires else {}),
            **({"silence": self._silence} if self._silence else {}),
            **{key: pack(number) for key, number in numbers.items() if not isnan(number)},
            **{key: memory.state() for key, memory in memories.items() if memory is not None},
        }

    @classmethod
    def from_state(cls, rule: Rule, series: int, state: dict[str, Any]) -> SeriesWatch:
        watch = cls(rule, series, state["name"])
        watch.seen, watch._fires = state["seen"], state.get("fires", False)
        watch._silence = state.get("silence", 0.0)
        watch.place, watch._since, watch._gone, watch._same = (
            Place(*state[key]) if key in state else None for key in ("place", "since", "gone", "same")
        )
        watch._value, watch._divisor = float(state.get("value", nan)), float(state.get("divisor", nan))
        memories = {"window": watch._window, "history": watch._history, "divisors": watch._divisor_window}
        for key, memory in memories.items():
            if memory is not None:
                memory.restore(state[key])
        return watch


def _divide(quantity: float, divisor: float) -> float:
    """As IEEE 754 has it: something by nothing is infinite, nothing by nothing is NaN."""
    if divisor:
        return quantity / divisor
    return nan if isnan(divisor) or isnan(quantity) or not quantity else inf if quantity > 0 else -inf
