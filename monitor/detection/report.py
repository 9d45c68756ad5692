"""Turning points as a table and in sentences, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor.detection.hindsight import Row, TurningPoint
from monitor.detection.wording import quantity

_COLUMNS = ("onset", "confirmed", "e-detector", "until", "severity", "moved")


def report(rows: Sequence[Row], found: Sequence[TurningPoint], *, offline: bool) -> Iterator[str]:
    """The lines to print."""
    if not found:
        yield f"no turning point in {len(rows)} {_evaluations(len(rows))}"
        return
    table = [_COLUMNS, *(_cells(rows, turn) for turn in found)]
    widths = [max(len(line[column]) for line in table) for column in range(len(_COLUMNS))]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    yield ""
    for turn in found:
        when = "" if offline else f", confirmed at {rows[turn.confirmed].place}"
        yield f"Turning point at {rows[turn.onset].place}{when}: {turn.alert['sentence']}"


def _cells(rows: Sequence[Row], turn: TurningPoint) -> tuple[str, ...]:
    return (
        rows[turn.onset].place,
        rows[turn.confirmed].place,
        "-" if turn.marked is None else rows[turn.marked].place,
        "the end" if turn.resolved is None else rows[turn.resolved].place,
        turn.alert["severity"],
        ", ".join(_moved(detail) for detail in turn.alert["details"]),
    )


def _moved(detail: Mapping[str, Any]) -> str:
    before, after = (
        "gone" if value is None else quantity(value, detail["unit"])
        for value in (detail["before"], detail["after"])
    )
    return f"{detail['role']} {before} -> {after}"


def _evaluations(count: int) -> str:
    return "evaluation" if count == 1 else "evaluations"
