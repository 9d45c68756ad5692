"""What a rule is, once it is read and found sound (``parsing.py`` reads it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

#: What of a distribution's record is looked at: the order of ``protocol.DISTRIBUTION_FIELDS``.
QUANTILES = ("min", "p1", "p5", "p25", "p50", "p75", "p95", "p99", "max", "mean", "n")
STATISTICS = ("last", "min", "max", "mean", "count", "non-finite")
SEVERITIES = ("info", "warning", "critical")

Unit = Literal["steps", "epochs", "seconds"]
Oddity = Literal["nan", "infinite", "non-finite"]
Severity = Literal["info", "warning", "critical"]


class Place(NamedTuple):
    """Where in a training something was; ``epoch`` is that of the newest evaluation mark, if any."""

    step: int
    epoch: float | None
    time: float

    def along(self, unit: Unit) -> float | None:
        """The coordinate on the axis of a unit."""
        return float(self.step) if unit == "steps" else self.epoch if unit == "epochs" else self.time


@dataclass(frozen=True)
class Span:
    """A stretch of a training, in steps, epochs or seconds."""

    amount: float
    unit: Unit

    def has_passed(self, since: Place, now: Place) -> bool:
        """Whether it lies between two places; never, where one of them has no epoch and it counts epochs."""
        begin, end = since.along(self.unit), now.along(self.unit)
        return begin is not None and end is not None and end - begin >= self.amount

    def __str__(self) -> str:
        if self.unit != "seconds":
            return f"{self.amount:g} {self.unit if self.amount != 1 else self.unit[:-1]}"
        for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
            if self.amount >= size and self.amount % size == 0:
                return f"{self.amount / size:g} {name}"
        return f"{self.amount:g} s"


@dataclass(frozen=True)
class Threshold:
    """A quantity above or below a bound.

    The quantity is the ``statistic`` of a series ``over`` a window (without one: each value by itself),
    divided by that of the series ``ratio``, and of that the ``change`` since so long ago, ``relative`` to its
    size then. Once the condition holds, it holds until the quantity has come back to ``clear``.
    """

    above: float | None
    below: float | None
    clear: float | None
    statistic: str = "last"
    over: Span | None = None
    ratio: str | None = None
    change: Span | None = None
    relative: bool = False

    def holds(self, quantity: float, held: bool) -> bool:
        """Whether the condition holds, given whether it held before."""
        above, below = self.above, self.below
        if held and self.clear is not None:
            above = None if above is None else self.clear
            below = None if below is None else self.clear
        return (above is not None and quantity > above) or (below is not None and quantity < below)


@dataclass(frozen=True)
class Odd:
    """A value that is NaN, infinite, or either. It holds until the next value that is not."""

    oddity: Oddity


@dataclass(frozen=True)
class Stuck:
    """The same value, to the last bit, for so long."""

    span: Span


@dataclass(frozen=True)
class Silent:
    """No point of a series for so long, while the run goes on or at least is heard of."""

    span: Span


@dataclass(frozen=True)
class Lost:
    """Nothing is heard of the run any more, and it did not say goodbye."""


@dataclass(frozen=True)
class Turning:
    """The turning-point detector (``detection/turning_point.py``) says so."""


Condition = Threshold | Odd | Stuck | Silent | Lost | Turning


@dataclass(frozen=True)
class Rule:
    """A condition, on which series of which runs, for how long, and how bad it is."""

    name: str
    condition: Condition
    #: Patterns of names, and of roles; a series that one of them matches is watched.
    series: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    quantile: str = "mean"
    #: Whether it leaves out values that are NaN or infinite, because another rule tells of them.
    finite: bool = False
    #: How long it must hold before it is an alert, and be gone before that ends.
    hold: Span | None = None
    keep: Span | None = None
    severity: Severity = "warning"
    #: What people are told, in place of what the rule measured.
    message: str = ""
    #: Only runs of projects like this one, and that the filter finds.
    project: str | None = None
    filter: str | None = None
    enabled: bool = True

    @property
    def reads_points(self) -> bool:
        return not isinstance(self.condition, Lost | Turning)

    @property
    def goes_by_roles(self) -> bool:
        """Whether the roles of series are all it asks for, and no name."""
        return not self.series and (not isinstance(self.condition, Threshold) or self.condition.ratio is None)

    @property
    def counts_epochs(self) -> bool:
        """Whether it must know in which epoch a step is."""
        spans = [self.hold, self.keep]
        match self.condition:
            case Threshold(over=over, change=change):
                spans += [over, change]
            case Stuck(span) | Silent(span):
                spans.append(span)
        return any(span is not None and span.unit == "epochs" for span in spans)
