"""One channel of the turning-point detector: a measured number against its own recent past.

A channel keeps a **reference**, a robust straight line through its last ``WINDOW`` values, and a **capped
sum** of the evidence that the values have left it. What makes it work, in the order of what each piece is
worth:

- *Lag.* A value enters the window ``LAG`` records after it came, and only while the channel is at rest: a
  change never sits in the reference that it is measured by. While evidence stands, the window is frozen.
- *Expiry.* After ``EXPIRY`` frozen records the channel takes the present for its reference: a lone drifting
  signal would otherwise shout for the rest of the run and take part in somebody else's alarm.
- *Detrended, robust.* Level, slope and scale come from medians (Tukey's resistant line, MAD of the
  residuals): a glitch in the window moves none of them, and a trend is not taken for noise. A trend is never
  trusted to go on: a value between the level and the continued trend is on its course.
- *Reached.* Where a rise ends within the window, the line shoots past the knee to where no value ever was. So
  the level of a number watched for falling is at most the largest value seen: a rise that ends is no fall.
- *Significant and material.* The unit of a deviation is the largest of the noise seen, the sampling noise
  known (n samples were judged) and a floor: a perfectly quiet stream still has to move by something a person
  would care about.
- *Capped.* One record adds at most 1 and takes away at most 1: one wild value is worth one record, whatever
  its size.
- *Planned steps.* Where the learning rate moved within the window, whatever lies between "nothing changed"
  and "the value followed the rate in proportion" is explained by the step, and only what goes beyond it is a
  deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Records in the window. Three thirds of eight give stable medians, and 24 epochs follow the slow course of a
#: training.
WINDOW = 24
#: Records that a value waits before it may enter the window: longer than a fast collapse takes to show
#: itself.
LAG = 5
#: The fewest values a reference can be read from (evaluations may come only every fifth epoch) ...
ENOUGH = 5
#: ... and the fewest records that they must span: the steady phase has to be seen before leaving it means
#: anything. With the lag a channel is ready at its record 13; turns at record 11 were found in .15 of the
#: traces with 12 here, and in .89 with 8, at no false alarm more.
SETTLE = 8
#: Deviations, in units, at which a record begins to count and at which it counts in full.
BEGIN, FULL = 2.0, 4.0
#: A fall of a two-sided channel counts this much less than a rise: angles shrink in every healthy training,
#: and in a dead collapse they shrink by orders of magnitude.
DOWNWARD = 3.0
#: The sum never grows beyond this, so that a channel that is well again says so within as many records.
CEILING = 10.0
#: Evidence that freezes the window.
FREEZE = 0.5
#: Frozen records after which the present is taken for normal; a slow turn has shown itself within half of it.
EXPIRY = 40

Point = tuple[int, float, float]
Line = tuple[float, float, float]


def median(ordered: Sequence[float]) -> float:
    """The median of an ordered sequence."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def resistant_line(times: Sequence[float], values: Sequence[float]) -> Line:
    """(level at the last time, slope, scale): Tukey's line through the outer thirds' medians, 1.4826 MAD."""
    third = max(1, len(values) // 3)
    left, right = median(sorted(values[:third])), median(sorted(values[-third:]))
    end = times[-1]
    span = 0.5 * (times[-third] + end - times[0] - times[third - 1])
    slope = (right - left) / span if span > 0 else 0.0
    # strict=False: this line is half of the detector's time.
    flat = sorted([value - slope * (time - end) for time, value in zip(times, values, strict=False)])
    level = median(flat)
    return level, slope, 1.4826 * median(sorted([abs(value - level) for value in flat]))


class Channel:
    """One number a record, watched for falling, or (``two_sided``) for leaving its course either way."""

    def __init__(self, floor: float, sampling: float = 0.0, two_sided: bool = False) -> None:
        #: A move that is worth a full record; the known sampling noise of one value; both in the channel's
        #: measure.
        self.floor, self.sampling, self.two_sided = floor, sampling, two_sided
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next values are a new beginning."""
        self.window: list[Point] = []
        self.waiting: list[Point] = []
        self.frozen = 0
        #: The capped sum, the record at which it began to grow, and the worst deviation since with its value.
        self.sum = 0.0
        self.onset: int | None = None
        self.worst = 0.0
        self.peak: float | None = None
        #: The newest value, None where it is missing, and its deviation in units: positive for falling, or in
        #: a two-sided channel for rising.
        self.value: float | None = None
        self.deviation = 0.0
        #: The deviations of the newest two values there were.
        self.last = self.before_last = 0.0
        #: The reference of the values, and that of the values divided by the learning rate.
        self._line: Line | None = None
        self._scaled: Line | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a reference to measure by."""
        window = self.window
        return len(window) >= ENOUGH and window[-1][0] - window[0][0] >= SETTLE

    @property
    def level(self) -> float | None:
        """The level of the reference at its end."""
        line = self.line()
        return line[0] if line else None

    def miss(self) -> None:
        """A record without this number: nothing is learned and nothing forgotten."""
        self.value, self.deviation = None, 0.0

    def measure(self, time: int, value: float, rate: float = 0.0) -> None:
        """Take the newest value; ``rate`` is the log of the learning rate that it was made under."""
        self.value = value
        self.before_last, self.deviation = self.last, self._measure(time, value, rate)
        self.last = self.deviation
        self.waiting.append((time, value, rate))

    def judge(self, is_excused: bool = False) -> None:
        """Let the value just measured count; excused, it counts as if it lay on its course."""
        time = self.waiting[-1][0]
        size = abs(self.deviation) if self.two_sided else self.deviation
        gain = -1.0 if is_excused else min(1.0, max(-1.0, (size - BEGIN) / (FULL - BEGIN)))
        if gain > 0 and self.sum == 0:
            self.onset = time
        self.sum = min(CEILING, max(0.0, self.sum + gain))
        if self.sum == 0:
            self.forget()
        elif size > self.worst:
            self.worst, self.peak = size, self.value
        self._learn(time)

    def forget(self) -> None:
        """Drop the evidence, keep the reference."""
        self.sum, self.onset, self.worst, self.peak = 0.0, None, 0.0, None

    def line(self) -> Line | None:
        """(level, slope, unit) of the reference."""
        if self._line is None and self.is_ready:
            self._line = self._fit([point[1] for point in self.window])
        return self._line

    def _fit(self, values: list[float]) -> Line:
        level, slope, scale = resistant_line([point[0] for point in self.window], values)
        if slope > 0 and not self.two_sided:
            level = min(level, max(values))
        # Few values make the MAD too small and the line too bold: widen the unit as a t statistic would.
        scale *= 1 + ENOUGH / len(values)
        return level, slope, max(scale, self.sampling, self.floor / FULL)

    def _measure(self, time: int, value: float, rate: float) -> float:
        line = self.line()
        if line is None:
            return 0.0
        plain = self._deviation(line, time, value)
        if self.window[0][2] == rate == self.window[-1][2]:
            return plain
        if self._scaled is None:
            self._scaled = self._fit([point[1] - point[2] for point in self.window])
        scaled = self._deviation(self._scaled, time, value - rate)
        if plain * scaled <= 0:
            return 0.0
        return plain if abs(plain) < abs(scaled) else scaled

    def _deviation(self, line: Line, time: int, value: float) -> float:
        level, slope, unit = line
        course = level + slope * min(time - self.window[-1][0], 2 * LAG)
        low, high = (level, course) if course > level else (course, level)
        if not self.two_sided:
            return (low - value) / unit
        if value > high:
            return (value - high) / unit
        return min(value - low, 0.0) / (DOWNWARD * unit)

    def _learn(self, now: int) -> None:
        if self.sum >= FREEZE:
            self.frozen += 1
            if self.frozen <= EXPIRY:
                return
            self.window, self.waiting, self._line = self.waiting[-WINDOW:], [], None
            self._scaled = None
            self.forget()
            self.frozen = 0
            return
        self.frozen = 0
        if self.waiting[0][0] >= now - LAG:
            return
        # Two at a time where every record has a value: the line is costly and changes little by one.
        ripe = 1
        while self.waiting[ripe][0] <= now - LAG:
            ripe += 1
        self.window = (self.window + self.waiting[:ripe])[-WINDOW:]
        del self.waiting[:ripe]
        self._line = self._scaled = None

    def state(self) -> dict[str, Any]:
        """All that it remembers, as JSON knows it."""
        return {
            "window": [list(point) for point in self.window],
            "waiting": [list(point) for point in self.waiting],
            "frozen": self.frozen,
            "sum": self.sum,
            "onset": self.onset,
            "worst": self.worst,
            "peak": self.peak,
            "value": self.value,
            "deviation": self.deviation,
            "last": self.last,
            "before_last": self.before_last,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` said."""
        self.window = [(point[0], point[1], point[2]) for point in state["window"]]
        self.waiting = [(point[0], point[1], point[2]) for point in state["waiting"]]
        self.frozen, self.sum, self.onset = state["frozen"], state["sum"], state["onset"]
        self.worst, self.peak = state["worst"], state["peak"]
        self.value, self.deviation = state["value"], state["deviation"]
        self.last, self.before_last = state["last"], state["before_last"]
        self._line = self._scaled = None
