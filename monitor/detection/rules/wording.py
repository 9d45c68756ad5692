"""What people are told of a rule that found something."""

from __future__ import annotations

from math import isfinite, isnan
from typing import Any

from monitor.detection.rules.rule import Odd, Place, Rule, Silent, Stuck, Threshold
from monitor.detection.rules.watching import Event

#: Series that are told one by one.
MOST_NAMED = 3
MOST_SIGNALS = 20
_ODD = {"nan": "NaN", "infinite": "Infinity", "non-finite": "NaN or infinity"}
_BECAME = {"nan": "NaN", "infinite": "infinite", "non-finite": "NaN or infinite"}


def title_of(rule: Rule, event: Event) -> str:
    """A few words: what, and of which series."""
    names = _names([reading.name for reading in event.readings])
    match rule.condition:
        case Odd(oddity):
            return f"{_ODD[oddity]} in {names}"
        case Stuck():
            return (
                f"{names} does not move any more"
                if len(event.readings) == 1
                else f"{names} do not move any more"
            )
        case Silent():
            return f"Nothing more of {names}"
        case _:
            return f"{rule.name}: {names}"


def sentence_of(rule: Rule, event: Event) -> str:
    """What was measured, where, and against which bound."""
    if rule.message:
        return rule.message
    first, names = event.readings[0], _names([reading.name for reading in event.readings])
    where = f"step {event.onset.step}"
    held = f", for {rule.hold}" if rule.hold is not None and event.observation == "confirmed" else ""
    match rule.condition:
        case Odd(oddity):
            return f"{names} became {_BECAME[oddity]} at {where}{held}."
        case Stuck(span):
            return f"{names} stayed at {first.value:.6g} for {span}, since {where}."
        case Silent(span):
            return f"No point of {names} came for {span}, since {where}."
        case Threshold() as condition:
            more = (
                "" if len(event.readings) == 1 else f"; so did {_names([r.name for r in event.readings[1:]])}"
            )
            change = "" if isnan(first.before) else f" (it was {first.before:.4g})"
            quantity = _quantity(condition, first.name, rule.quantile)
            bound = _bound(condition, first.quantity)
            return f"{quantity} came to {first.quantity:.4g}{change}, {bound}, at {where}{held}{more}."
        case _:
            return rule.name


def reason_of(rule: Rule, event: Event) -> str:
    """Why the alert ended, where an event ends it."""
    if not event.readings:
        return "it is over"
    last = event.readings[-1]
    quantity = last.value if isnan(last.quantity) else last.quantity
    if isinstance(rule.condition, Silent):
        return f"{last.name} is heard of again at step {event.place.step}"
    return f"{last.name} is back at {quantity:.4g} at step {event.place.step}"


def signals_of(rule: Rule, event: Event) -> tuple[dict[str, Any], ...]:
    """The series in trouble, as an alert shows what moved; the value before is only known of changes.

    The direction is that in which a threshold was passed, and None of what has none.
    """
    return tuple(
        {
            "signal": reading.name,
            "series": reading.name,
            "before": None if isnan(reading.before) else reading.before,
            "after": reading.value if isfinite(reading.value) else str(reading.value),
            "unit": "",
            "direction": _direction(rule, reading.quantity),
        }
        for reading in event.readings[:MOST_SIGNALS]
    )


def _direction(rule: Rule, quantity: float) -> str | None:
    if not isinstance(rule.condition, Threshold):
        return None
    return "up" if rule.condition.above is not None and quantity > rule.condition.above else "down"


def where(place: Place) -> str:
    return f"step {place.step}" if place.epoch is None else f"step {place.step} (epoch {place.epoch:g})"


def _names(names: list[str]) -> str:
    shown = names[:MOST_NAMED]
    if len(names) > MOST_NAMED:
        return f"{', '.join(shown)} and {len(names) - MOST_NAMED} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _quantity(condition: Threshold, name: str, quantile: str) -> str:
    what = name if quantile == "mean" else f"the {quantile} of {name}"
    if condition.over is not None:
        what = f"the {condition.statistic} of {what} over {condition.over}"
    if condition.ratio is not None:
        what = f"{what}, divided by that of {condition.ratio}"
    if condition.change is not None:
        what = f"the {'relative ' if condition.relative else ''}change of {what} in {condition.change}"
    return f"{what[0].upper()}{what[1:]}" if what.startswith("the ") else what


def _bound(condition: Threshold, quantity: float) -> str:
    if condition.above is not None and quantity > condition.above:
        return f"above {condition.above:g}"
    return f"below {condition.below:g}" if condition.below is not None else "back and forth"
