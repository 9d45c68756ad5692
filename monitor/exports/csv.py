"""Points as CSV, RFC 4180: numbers so that reading them gives the same float64 again.

A name that a spreadsheet would take for a formula gets an apostrophe in front of it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

from monitor.exports.rows import columns_of
from monitor.store.extract import Extraction, Portion
from monitor.store.plain import number_of

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_csv(extraction: Extraction) -> Iterator[bytes]:
    columns = columns_of(extraction)
    yield _lines([columns])
    for portion in extraction.portions():
        yield _lines(_rows(portion, has_distributions="n" in columns))


def harmless(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _rows(portion: Portion, *, has_distributions: bool) -> Iterator[list[Any]]:
    name = harmless(portion.series.name)
    is_scalar = portion.series.kind == "scalar"
    points = portion.points
    columns = zip(points.steps.tolist(), points.times.tolist(), points.values.tolist(), strict=True)
    for step, time, values in columns:
        row = [name, portion.attempt, step, time]
        if not is_scalar:
            row.append("")
        row += [value if math.isfinite(value) else number_of(value) for value in values]
        if is_scalar and has_distributions:
            row += [""] * 11
        yield row


def _lines(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
