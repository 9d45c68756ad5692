"""From what a person wrote, in TOML or JSON, to a rule; or to what is wrong with it.

A rule is a table. Exactly one of the conditions ``above``/``below``, ``is``, ``stuck``, ``silent``, ``lost``
and ``turning-point`` is given, and what may stand beside it depends on it; ``KEYS`` says which key is what.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from monitor.detection.rules.rule import (
    QUANTILES,
    SEVERITIES,
    STATISTICS,
    Condition,
    Lost,
    Odd,
    Oddity,
    Rule,
    Severity,
    Silent,
    Span,
    Stuck,
    Threshold,
    Turning,
    Unit,
)

#: Every key of a rule, and what it is.
KEYS = {
    "series": "a name or pattern of series (* is anything, ? one character), or a list of them",
    "role": "a pattern of what series declare to be (Q, D, loss_*, gn_*, ...), or a list of them",
    "above": "a number: trouble is above it",
    "below": "a number: trouble is below it",
    "clear": "a number: once in trouble, the quantity must come back to it",
    "statistic": f"of the window: {', '.join(STATISTICS)} (default: last)",
    "over": "the window, as in 200 steps, 3 epochs, 10 min",
    "quantile": f"what of a distribution: {', '.join(QUANTILES)} (default: mean)",
    "finite": "true: values that are NaN or infinite are left to other rules",
    "ratio": "the name of a series whose quantity it is divided by",
    "change": "how long ago, as in 5 epochs: the change since then counts",
    "relative": "true: the change as a part of the size then",
    "is": "nan, infinite or non-finite",
    "stuck": "how long the value did not change at all",
    "silent": "how long no point came",
    "lost": "true: the run fell silent",
    "turning-point": "true: the detector confirmed a turning point",
    "for": "how long it must hold before it is an alert",
    "keep": "how long it must be gone before the alert ends",
    "severity": f"{', '.join(SEVERITIES)} (default: warning)",
    "message": "a sentence for people",
    "project": "only runs of projects like this pattern",
    "filter": "only runs that this filter finds, as the list of runs takes it",
    "enabled": "false: the rule rests",
}
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
#: Patterns of one rule, and the longest text of one.
MOST_PATTERNS, LONGEST = 32, 1024

#: The keys that say what trouble is.
CONDITIONS = ("above", "below", "is", "stuck", "silent", "lost", "turning-point")
_OF_THRESHOLDS = ("clear", "statistic", "over", "ratio", "change", "relative")
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE]\+?\d+)?)\s*([A-Za-z]+)\s*")
_UNITS: dict[str, tuple[float, Unit]] = {
    **dict.fromkeys(("step", "steps"), (1.0, "steps")),
    **dict.fromkeys(("epoch", "epochs"), (1.0, "epochs")),
    **dict.fromkeys(("s", "second", "seconds"), (1.0, "seconds")),
    **dict.fromkeys(("m", "min", "minute", "minutes"), (60.0, "seconds")),
    **dict.fromkeys(("h", "hour", "hours"), (3600.0, "seconds")),
    **dict.fromkeys(("d", "day", "days"), (86400.0, "seconds")),
}


class RuleError(Exception):
    """What is wrong with a rule: the key at fault (empty: the rule as a whole), and what to do."""

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(f"{key}: {detail}" if key else detail)
        self.key = key
        self.detail = detail


def parse_rule(name: str, given: Mapping[str, Any]) -> Rule:
    """The rule of this name; :class:`RuleError` where it is none."""
    if not NAME.fullmatch(name):
        raise RuleError("", f"{name!r} is no name of a rule: a-z, 0-9 and -, 63 of them at most")
    for key in given:
        if key not in KEYS:
            raise RuleError(key, f"there is no such key; there are {', '.join(KEYS)}")
    read = _Reader(given)
    condition = _condition(read)
    series, roles = read.texts("series"), read.texts("role")
    watches = not isinstance(condition, Lost | Turning)
    if watches and not series and not roles:
        raise RuleError("series", 'what is watched? give a name or pattern, as series = "loss/*", or a role')
    for key in () if watches else ("series", "role", "quantile", "for", "keep"):
        if key in given:
            raise RuleError(
                key, "it belongs to rules about series, and this one is about the run; leave it out"
            )
    if isinstance(condition, Silent):
        for key in ("for", "keep", "quantile"):
            if key in given:
                raise RuleError(key, "silence is a length of time by itself; leave it out")
    if "finite" in given and not isinstance(condition, Threshold | Stuck):
        raise RuleError("finite", "it belongs to above, below and stuck; leave it out")
    return Rule(
        name=name,
        condition=condition,
        series=series,
        roles=roles,
        quantile=read.choice("quantile", QUANTILES, "mean"),
        finite=read.flag("finite", False),
        hold=read.span("for"),
        keep=read.span("keep"),
        severity=cast("Severity", read.choice("severity", SEVERITIES, "warning")),
        message=read.text("message") or "",
        project=read.text("project"),
        filter=read.text("filter"),
        enabled=read.flag("enabled", True),
    )


def parse_span(text: str) -> Span | None:
    """``10 min``, ``3 epochs``, ``200 steps``; None where it is nothing of the kind."""
    found = _SPAN.fullmatch(text)
    if found is None or found[2].lower() not in _UNITS:
        return None
    factor, unit = _UNITS[found[2].lower()]
    amount = float(found[1]) * factor
    return Span(amount, unit) if 0 < amount < 1e15 else None


def _condition(read: _Reader) -> Condition:
    given = [key for key in CONDITIONS if key in read.given]
    kinds = {"above" if key == "below" else key for key in given}
    if len(kinds) != 1:
        told = f"not {' and '.join(given)}" if given else "none is given"
        raise RuleError(
            given[1] if given else "", f"a rule has one condition of {', '.join(CONDITIONS)}; {told}"
        )
    (kind,) = kinds
    if kind != "above":
        for key in _OF_THRESHOLDS:
            if key in read.given:
                raise RuleError(key, f"it belongs to above or below, not to {kind}; leave it out")
    match kind:
        case "above":
            return _threshold(read)
        case "is":
            return Odd(cast("Oddity", read.choice("is", get_args(Oddity), "")))
        case "stuck":
            return Stuck(read.needed_span("stuck"))
        case "silent":
            return Silent(read.needed_span("silent"))
        case "lost":
            read.must_be_true("lost")
            return Lost()
        case _:
            read.must_be_true("turning-point")
            return Turning()


def _threshold(read: _Reader) -> Threshold:
    above, below, clear = read.number("above"), read.number("below"), read.number("clear")
    if above is not None and below is not None and above < below:
        raise RuleError(
            "below", f"everything is above {above:g} or below {below:g}; below must not be above it"
        )
    if clear is not None:
        if above is not None and below is not None:
            raise RuleError("clear", "it goes with above or with below, not with both; make two rules of it")
        if (above is not None and clear > above) or (below is not None and clear < below):
            side = "above" if above is not None else "below"
            raise RuleError(
                "clear", f"it lies beyond the bound of {side}, in trouble; it must be on the other side of it"
            )
    statistic, over = read.choice("statistic", STATISTICS, "last"), read.span("over")
    if statistic != "last" and over is None:
        raise RuleError("over", f'{statistic} of what? give the window, as over = "200 steps"')
    if statistic == "last" and over is not None:
        raise RuleError("statistic", f"which one over {over}? give one of {', '.join(STATISTICS[1:])}")
    ratio, change, relative = read.text("ratio"), read.span("change"), read.flag("relative", False)
    if relative and change is None:
        raise RuleError("change", 'relative to when? give how long ago, as change = "5 epochs"')
    if ratio is not None and ("*" in ratio or "?" in ratio):
        raise RuleError("ratio", f"{ratio!r} is a pattern, and only one series can be divided by; name it")
    return Threshold(above, below, clear, statistic, over, ratio, change, relative)


class _Reader:
    """Takes values out of a table, each as what it must be."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    def number(self, key: str) -> float | None:
        value = self.given.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise RuleError(key, f"a finite number is needed, not {_shown(value)}")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.given.get(key, default)
        if not isinstance(value, bool):
            raise RuleError(key, f"true or false is needed, not {_shown(value)}")
        return value

    def must_be_true(self, key: str) -> None:
        if self.given[key] is not True:
            raise RuleError(key, "only true makes sense here; enabled = false lets the rule rest")

    def text(self, key: str) -> str | None:
        value = self.given.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or "\0" in value:
            raise RuleError(key, f"a text of 1 to {LONGEST} characters is needed, not {_shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.given.get(key, ())
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, Sequence) or len(listed) > MOST_PATTERNS:
            raise RuleError(key, f"a text or a list of up to {MOST_PATTERNS} is needed, not {_shown(value)}")
        return tuple(_Reader({key: item}).text(key) or "" for item in listed)

    def choice(self, key: str, among: Sequence[str], default: str) -> str:
        value = self.given.get(key, default)
        if value not in among:
            raise RuleError(key, f"one of {', '.join(among)} is needed, not {_shown(value)}")
        return str(value)

    def span(self, key: str) -> Span | None:
        value = self.given.get(key)
        if value is None:
            return None
        found = parse_span(value) if isinstance(value, str) else None
        if found is None:
            raise RuleError(
                key, f'a length such as "200 steps", "3 epochs" or "10 min" is needed, not {_shown(value)}'
            )
        return found

    def needed_span(self, key: str) -> Span:
        found = self.span(key)
        if found is None:
            raise RuleError(key, 'a length such as "200 steps", "3 epochs" or "10 min" is needed')
        return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
