"""Takes the values out of a rule's table, each as what it must be, and keeps what is wrong with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from monitor.detection.rules.rule import Span, Unit

#: Patterns of one rule, and the longest text of one.
MOST_PATTERNS, LONGEST = 32, 1024

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

    def __init__(self, key: str, detail: str, others: Sequence[RuleError] = ()) -> None:
        super().__init__(f"{key}: {detail}" if key else detail)
        self.key = key
        self.detail = detail
        #: This one, and what is wrong beside it.
        self.faults: tuple[RuleError, ...] = (self, *others)


class Reader:
    """Of what is wrong every key has its first fault, and is read as if it had not been given."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self._faults: dict[str, RuleError] = {}

    def fault(self, key: str, detail: str) -> None:
        self._faults.setdefault(key, RuleError(key, detail))

    def complain(self) -> None:
        """Raise all that is wrong as one :class:`RuleError`, where something is."""
        if self._faults:
            first, *others = self._faults.values()
            raise RuleError(first.key, first.detail, others)

    def number(self, key: str) -> float | None:
        value = self.given.get(key)
        if value is None:
            return None
        if not _is_finite(value):
            self.fault(key, f"a finite number is needed, not {_shown(value)}")
            return None
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.given.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, f"true or false is needed, not {_shown(value)}")
            return default
        return value

    def must_be_true(self, key: str) -> None:
        if self.given[key] is not True:
            self.fault(key, "only true makes sense here; enabled = false lets the rule rest")

    def text(self, key: str) -> str | None:
        value = self.given.get(key)
        return None if value is None else self._text(key, value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.given.get(key, ())
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, Sequence) or len(listed) > MOST_PATTERNS:
            self.fault(key, f"a text or a list of up to {MOST_PATTERNS} is needed, not {_shown(value)}")
            return ()
        return tuple(self._text(key, item) or "" for item in listed)

    def _text(self, key: str, value: Any) -> str | None:
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or "\0" in value:
            self.fault(key, f"a text of 1 to {LONGEST} characters is needed, not {_shown(value)}")
            return None
        return value

    def choice(self, key: str, among: Sequence[str], default: str) -> str:
        value = self.given.get(key, default)
        if value not in among:
            self.fault(key, f"one of {', '.join(among)} is needed, not {_shown(value)}{meant(value, among)}")
            return default
        return str(value)

    def span(self, key: str) -> Span | None:
        return self.needed_span(key) if self.given.get(key) is not None else None

    def needed_span(self, key: str) -> Span | None:
        """None where it is none, and that is kept as a fault."""
        value = self.given[key]
        found = parse_span(value) if isinstance(value, str) else None
        if found is None:
            self.fault(
                key, f'a length such as "200 steps", "3 epochs" or "10 min" is needed, not {_shown(value)}'
            )
        return found


def parse_span(text: str) -> Span | None:
    """``10 min``, ``3 epochs``, ``200 steps``; None where it is nothing of the kind."""
    found = _SPAN.fullmatch(text)
    if found is None or found[2].lower() not in _UNITS:
        return None
    factor, unit = _UNITS[found[2].lower()]
    amount = float(found[1]) * factor
    return Span(amount, unit) if 0 < amount < 1e15 else None


def meant(typed: Any, known: Sequence[str]) -> str:
    """``; did you mean 'above'?``, where there is something near."""
    near = get_close_matches(typed, known, n=1) if isinstance(typed, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
