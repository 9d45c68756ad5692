"""Patterns with ``*`` (anything) and ``?`` (one character), as the database matches them: case counts."""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, Connection
from sqlalchemy.orm import InstrumentedAttribute

_SPECIAL_TO_LIKE = re.compile(r"[\\%_]")


def is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def matches(c: Connection, column: InstrumentedAttribute[str], pattern: str) -> ColumnElement[bool]:
    """The condition that the column's text matches; the same on both databases."""
    if c.dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    literal = _SPECIAL_TO_LIKE.sub(r"\\\g<0>", pattern)
    return column.like(literal.replace("*", "%").replace("?", "_"), escape="\\")
