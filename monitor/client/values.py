"""What ``log`` accepts as a number, and what it says about the rest."""

from __future__ import annotations

import operator
from typing import Any

from monitor.protocol import DISTRIBUTION_FIELDS

#: Steps and indices travel as int64.
INT64 = 2**63


class Rejected(ValueError):  # noqa: N818 - an answer to a value, not a failure
    """Why a value is not stored."""


def to_float(value: Any) -> float:
    """A number as the float64 that stands for it; NaN and infinity are numbers. Raises ``Rejected``."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return _exact(value)
    # NumPy scalars, and 0-d arrays and tensors of any library that has `item`.
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        plain = value.item()
        if isinstance(plain, float | int):
            return to_float(plain)
        raise Rejected(f"holds {type(plain).__name__}, not a number")
    if hasattr(value, "shape"):
        raise Rejected(f"has shape {tuple(value.shape)}; a scalar is wanted")
    raise Rejected(f"is {type(value).__name__}, not a number")


def _exact(value: int) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise Rejected("is an integer beyond float64") from None
    if number != value:
        raise Rejected("is an integer that float64 cannot hold exactly")
    return number


def to_index(value: Any, what: str) -> int:
    """An int64, from anything that is an integer (NumPy's among them). Raises ``Rejected``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise Rejected(f"{what} is {type(value).__name__}, not an integer") from None
    if not -INT64 <= number < INT64:
        raise Rejected(f"{what} does not fit into 64 bits")
    return number


def to_name(value: Any) -> str:
    """The name of a series. Raises ``Rejected``."""
    if not isinstance(value, str):
        raise Rejected(f"is {type(value).__name__}; a name is text")
    if not value:
        raise Rejected("is an empty name")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Rejected("is not valid Unicode") from None
    return str(value)


def to_fields(values: Any) -> dict[str, Any]:
    """The eleven numbers of a distribution by ``DISTRIBUTION_FIELDS``, unread. Raises ``Rejected``."""
    if hasattr(values, "keys"):
        missing = [field for field in DISTRIBUTION_FIELDS if field not in values]
        if missing:
            raise Rejected(f"lacks {', '.join(missing)}")
        return {field: values[field] for field in DISTRIBUTION_FIELDS}
    numbers = list(values)
    if len(numbers) != len(DISTRIBUTION_FIELDS):
        raise Rejected(f"has {len(numbers)} values; a distribution has {len(DISTRIBUTION_FIELDS)}")
    return dict(zip(DISTRIBUTION_FIELDS, numbers, strict=True))
