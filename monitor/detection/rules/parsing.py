"""From what a person wrote, in TOML or JSON, to a rule; or to what is wrong with it.

A rule is a table. Exactly one of the conditions ``above``/``below``, ``is``, ``stuck``, ``silent``, ``lost``
and ``turning-point`` is given, and what may stand beside it depends on it; ``KEYS`` says which key is what.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from monitor.detection.rules.reader import Reader, meant
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
    Stuck,
    Threshold,
    Turning,
)
from monitor.protocol import role_meant

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
_LISTED = ", ".join(KEYS)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

#: The keys that say what trouble is.
CONDITIONS = ("above", "below", "is", "stuck", "silent", "lost", "turning-point")
_OF_THRESHOLDS = ("clear", "statistic", "over", "ratio", "change", "relative")
_WATCHED = ("series", "role")
#: The conditions on a run as a whole.
_OF_RUNS = ("lost", "turning-point")


def parse_rule(name: str, given: Mapping[str, Any]) -> Rule:
    """The rule of this name; a :class:`RuleError` of all that is wrong where it is none."""
    read = Reader(given)
    if not NAME.fullmatch(name):
        read.fault("", f"{name!r} is no name of a rule: a-z, 0-9 and -, 63 of them at most")
    unknown = [key for key in given if key not in KEYS]
    for key in unknown:
        read.fault(key, f"there is no such key{meant(key, tuple(KEYS)) or f'; there are {_LISTED}'}")
    kind = _kind(read, is_misspelled=any(meant(key, CONDITIONS) for key in unknown))
    condition = _condition(read, kind)
    if kind:
        _check_company(read, kind, unknown)
    rule = Rule(
        name=name,
        condition=condition or Lost(),  # any will do, for nothing comes of what cannot be read
        series=read.texts("series"),
        roles=_roles(read),
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
    read.complain()
    return rule


def _roles(read: Reader) -> tuple[str, ...]:
    """Patterns of roles. Runs may have roles of their own, but not the detector's misspelled."""
    roles = read.texts("role")
    for role in roles:
        if not {"*", "?"} & set(role) and (right := role_meant(role)):
            read.fault("role", f"there is no role {role!r}; did you mean {right!r}?")
    return roles


def _kind(read: Reader, *, is_misspelled: bool) -> str | None:
    """The key that says what trouble is; ``below`` counts as ``above``."""
    given = [key for key in CONDITIONS if key in read.given]
    kinds = {"above" if key == "below" else key for key in given}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds or not is_misspelled:
        told = f"not {' and '.join(given)}" if given else "none is given"
        read.fault(given[1] if given else "", f"a rule has one condition of {', '.join(CONDITIONS)}; {told}")
    return None


def _check_company(read: Reader, kind: str, unknown: Sequence[str]) -> None:
    """What may not stand beside a condition, and what must."""
    if kind in _OF_RUNS:
        for key in ("series", "role", "quantile", "for", "keep"):
            if key in read.given:
                read.fault(
                    key, "it belongs to rules about series, and this one is about the run; leave it out"
                )
    elif not any(read.given.get(key) or any(meant(typed, (key,)) for typed in unknown) for key in _WATCHED):
        read.fault("series", 'what is watched? give a name or pattern, as series = "loss/*", or a role')
    if kind == "silent":
        for key in ("for", "keep", "quantile"):
            if key in read.given:
                read.fault(key, "silence is a length of time by itself; leave it out")
    if kind not in {"above", "stuck"} and "finite" in read.given:
        read.fault("finite", "it belongs to above, below and stuck; leave it out")
    for key in _OF_THRESHOLDS if kind != "above" else ():
        if key in read.given:
            read.fault(key, f"it belongs to above or below, not to {kind}; leave it out")


def _condition(read: Reader, kind: str | None) -> Condition | None:
    """None where it cannot be read."""
    if kind is None:
        return None
    if kind == "above":
        return _threshold(read)
    if kind == "is":
        return Odd(cast("Oddity", read.choice("is", get_args(Oddity), "")))
    if kind in _OF_RUNS:
        read.must_be_true(kind)
        return Lost() if kind == "lost" else Turning()
    span = read.needed_span(kind)
    if span is None:
        return None
    return Stuck(span) if kind == "stuck" else Silent(span)


def _threshold(read: Reader) -> Threshold:
    above, below, clear = read.number("above"), read.number("below"), read.number("clear")
    if above is not None and below is not None and above < below:
        read.fault("below", f"everything is above {above:g} or below {below:g}; below must not be above it")
    if clear is not None:
        if above is not None and below is not None:
            read.fault("clear", "it goes with above or with below, not with both; make two rules of it")
        if (above is not None and clear > above) or (below is not None and clear < below):
            side = "above" if above is not None else "below"
            read.fault(
                "clear", f"it lies beyond the bound of {side}, in trouble; it must be on the other side of it"
            )
    statistic, over = read.choice("statistic", STATISTICS, "last"), read.span("over")
    if statistic != "last" and over is None:
        read.fault("over", f'{statistic} of what? give the window, as over = "200 steps"')
    if statistic == "last" and over is not None:
        read.fault("statistic", f"which one over {over}? give one of {', '.join(STATISTICS[1:])}")
    ratio, change, relative = read.text("ratio"), read.span("change"), read.flag("relative", False)
    if relative and change is None:
        read.fault("change", 'relative to when? give how long ago, as change = "5 epochs"')
    if ratio is not None and ("*" in ratio or "?" in ratio):
        read.fault("ratio", f"{ratio!r} is a pattern, and only one series can be divided by; name it")
    return Threshold(above, below, clear, statistic, over, ratio, change, relative)
