"""A rule over a whole run: fed with points as they are stored, it says when trouble begins, and when it ends.

Causal and deterministic: what it says of a point depends on the points before, and not on how they were
batched, nor on whether its state was stored and restored in between. A run has one alert a rule: it is
*suspected* while the condition holds on some series, *confirmed* once it held as long as the rule wants on
one of them, and *clear* when that is over on all of them. What is missing is no observation: a series of
which nothing more comes stays what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from monitor.detection.rules.rule import Place, Rule, Silent, Threshold
from monitor.detection.rules.series_watch import Move, Points, Reading, SeriesWatch

STATE_VERSION = 1
#: A rule watches no more series of a run than the first so many.
MOST_SERIES = 1000

Status = Literal["quiet", "suspected", "confirmed"]


@dataclass(frozen=True)
class Event:
    """What changed at a place; ``readings`` are of the series that are in trouble, or were."""

    observation: Literal["suspected", "confirmed", "clear"]
    place: Place
    readings: tuple[Reading, ...]

    @property
    def onset(self) -> Place:
        return min((reading.since for reading in self.readings), key=lambda place: place.step)


class RuleWatch:
    """The rule's memory of a run."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._series: dict[int, SeriesWatch] = {}
        #: The series in trouble, by what they are.
        self._holding: dict[int, Reading] = {}
        self._firing: dict[int, Reading] = {}

    @property
    def status(self) -> Status:
        return "confirmed" if self._firing else "suspected" if self._holding else "quiet"

    @property
    def has_read(self) -> bool:
        """Whether any of its series had a point yet."""
        return any(watch.place is not None for watch in self._series.values())

    @property
    def is_waiting(self) -> bool:
        """Whether time alone, in seconds, can make it find something."""
        condition = self.rule.condition
        return isinstance(condition, Silent) and condition.span.unit == "seconds" and self.has_read

    def wants(self, name: str, role: str | None) -> bool:
        return self._watches(name, role) or self._divides_by(name)

    def take(self, batch: Sequence[Points]) -> list[Event]:
        """Points that came together, one entry a series at most that this rule wants."""
        condition = self.rule.condition
        ratio = condition.ratio if isinstance(condition, Threshold) else None
        divisor = next((points for points in batch if points.name == ratio), None)
        moves: list[Move] = []
        for points in batch:
            if self._watches(points.name, points.role) and (watch := self._watch_of(points)) is not None:
                moves += self._feed(watch, points, divisor)
        if divisor is not None:
            fed = {points.id for points in batch}
            for watch in self._series.values():
                if watch.series not in fed:
                    for row in range(len(divisor)):
                        watch.divide_by(divisor.place(row), divisor.values[row])
        return self._settle(moves)

    def pass_by(self, now: Place, seconds: float = 0.0) -> list[Event]:
        """The run is here by now, and was heard of for so many seconds since this was last said."""
        if not isinstance(self.rule.condition, Silent):
            return []
        told = (watch.pass_by(now, seconds) for watch in self._series.values())
        return self._settle([move for move in told if move is not None])

    def last_read(self, series: int) -> tuple[int, int] | None:
        """The newest step that was read of a series, and how many points of that step; None for nothing."""
        watch = self._series.get(series)
        return None if watch is None or watch.place is None else (watch.place.step, watch.seen)

    def confirm(self) -> None:
        """An alert that was told goes on as one: how long it must hold is only asked at its beginning."""
        for watch in self._series.values():
            watch.fire()
        self._firing |= self._holding
        self._holding = {}

    def describe(self, place: Place) -> Event | None:
        """How things stand, as if it had just been found."""
        readings = self._firing or self._holding
        if not readings:
            return None
        return Event("confirmed" if self._firing else "suspected", place, tuple(readings.values()))

    def _watches(self, name: str, role: str | None) -> bool:
        is_named = any(matches_glob(pattern, name) for pattern in self.rule.series)
        return is_named or (
            role is not None and any(matches_glob(pattern, role) for pattern in self.rule.roles)
        )

    def _divides_by(self, name: str) -> bool:
        return isinstance(self.rule.condition, Threshold) and self.rule.condition.ratio == name

    def _watch_of(self, points: Points) -> SeriesWatch | None:
        watch = self._series.get(points.id)
        if watch is None and len(self._series) < MOST_SERIES:
            watch = self._series[points.id] = SeriesWatch(self.rule, points.id, points.name)
        return watch

    def _feed(self, watch: SeriesWatch, points: Points, divisor: Points | None) -> Iterable[Move]:
        """Point by point; what it is divided by goes first where both have the same step."""
        at = 0
        for row in range(len(points)):
            while divisor is not None and at < len(divisor) and divisor.steps[at] <= points.steps[row]:
                watch.divide_by(divisor.place(at), divisor.values[at])
                at += 1
            if (move := watch.take(points.place(row), points.values[row])) is not None:
                yield move
        while divisor is not None and at < len(divisor):
            watch.divide_by(divisor.place(at), divisor.values[at])
            at += 1

    def _settle(self, moves: list[Move]) -> list[Event]:
        """In the order of steps, whatever series they are of; what happens at one step happens at once."""
        moves.sort(key=lambda move: move.place.step)
        events: list[Event] = []
        at = 0
        while at < len(moves):
            step = moves[at].place.step
            before = self.status
            over: list[Reading] = []
            moved: set[int] = set()
            while at < len(moves) and moves[at].place.step == step and moves[at].series not in moved:
                move = moves[at]
                moved.add(move.series)
                self._holding.pop(move.series, None)
                self._firing.pop(move.series, None)
                if move.verdict == "over":
                    over.append(move.reading)
                else:
                    (self._firing if move.verdict == "fires" else self._holding)[move.series] = move.reading
                at += 1
            events += self._changed(before, moves[at - 1].place, tuple(over))
        return events

    def _changed(self, before: Status, place: Place, over: tuple[Reading, ...]) -> list[Event]:
        now = self.status
        if now == before:
            return []
        if now == "confirmed":
            return [Event("confirmed", place, tuple(self._firing.values()))]
        ended = [Event("clear", place, over)] if before != "quiet" else []
        begun = [Event("suspected", place, tuple(self._holding.values()))] if now == "suspected" else []
        return [*ended, *begun]

    def state(self) -> dict[str, Any]:
        """All that is remembered, as JSON has it."""
        readings = {"holding": self._holding, "firing": self._firing}
        return {
            "version": STATE_VERSION,
            "series": {str(series): watch.state() for series, watch in self._series.items()},
            **{
                key: {str(s): _pack_reading(r) for s, r in held.items()}
                for key, held in readings.items()
                if held
            },
        }

    @classmethod
    def from_state(cls, rule: Rule, state: dict[str, Any]) -> RuleWatch:
        watch = cls(rule)
        watch._series = {
            int(series): SeriesWatch.from_state(rule, int(series), kept)
            for series, kept in state["series"].items()
        }
        watch._holding, watch._firing = (
            {int(series): _unpack_reading(reading) for series, reading in state.get(key, {}).items()}
            for key in ("holding", "firing")
        )
        return watch


def _pack_reading(reading: Reading) -> list[Any]:
    numbers = [str(number) for number in (reading.value, reading.quantity, reading.before)]
    return [reading.name, *numbers, list(reading.since)]


def _unpack_reading(packed: list[Any]) -> Reading:
    name, value, quantity, before, since = packed
    return Reading(name, float(value), float(quantity), float(before), Place(*since))


def matches_glob(pattern: str, text: str) -> bool:
    """``*`` is anything, ``?`` one character, and all else itself; case counts."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if sign == "*" else "." if sign == "?" else re.escape(sign) for sign in pattern)
    return re.compile("".join(parts), re.DOTALL)
