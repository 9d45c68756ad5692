"""What SQLite, PostgreSQL and JSON can all hold, and how everything else is written in it."""

from __future__ import annotations

import math
from typing import Any

#: The longest text kept of a name, a title, a host, a unit.
SHORT = 1024
#: The longest text kept of a project: PostgreSQL indexes no more than 2704 bytes.
INDEXED = 512
#: The longest text kept of a help, a caption, a message, of notes.
LONG = 16384
#: Lists and objects in each other; what is deeper would exhaust the stack of whoever reads it.
DEEPEST = 100
TOO_DEEP = "(nested too deeply)"
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
#: Seconds on either side of 1970 that are nanoseconds in an int64, as data frames have them: until 2262.
CALENDAR = 2.0**63 / 1e9 - 1


def plain_text(text: str, limit: int = SHORT) -> str:
    """The text without what a database refuses: NUL and lone surrogates become U+FFFD; cut at ``limit``."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")[:limit]


def plain_json(value: Any, depth: int = DEEPEST) -> Any:
    """The value as strict JSON: non-finite numbers as strings, what JSON does not know as text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return plain_text(value, LONG)
        case float():
            return number_of(value)
        case dict() | list() | tuple():
            return _plain_items(value, depth) if depth else TOO_DEEP
        case _:
            return plain_text(repr(value), LONG)


def _plain_items(items: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> Any:
    if isinstance(items, dict):
        return {plain_text(str(key)): plain_json(item, depth - 1) for key, item in items.items()}
    return [plain_json(item, depth - 1) for item in items]


def fits_int64(value: int | None) -> bool:
    return value is None or INT64_MIN <= value <= INT64_MAX


def is_moment(time: Any) -> Any:
    """Whether a time in Unix seconds, or each of an array, can be shown; NaN cannot."""
    return abs(time) <= CALENDAR


def number_of(value: float) -> float | str:
    """A float as JSON shows it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def text_of(value: float) -> str:
    """A float64 as text that gives the same float64 again."""
    return str(number_of(value))


def float_of(text: str) -> float:
    """The inverse of :func:`text_of`."""
    return float(text)
