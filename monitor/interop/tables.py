"""Tables with a row of names: CSV, TSV, and columns parted by spaces, such as RGAN's traces.

    epoch time D_loss G_loss mmd2
    0 196.39 0.041 9.95 1.01

Empty cells and ``NA`` are no values; ``nan`` and ``inf`` are. TensorBoard's and W&B's CSV downloads are such.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from monitor.interop.fields import describe_rows, number_of, scalars_of
from monitor.interop.records import About, Note, Record

name = "csv"
_DELIMITERS = (",", ";", "\t", " ")
#: Rows that must be as long as the row of names, and hold more numbers than words.
_LOOKED_AT = 5
_MISSING = ("", "NA")


def reads(path: Path) -> bool:
    with _open(path) as file:
        head, *rows = (file.readline(65536) for _ in range(1 + _LOOKED_AT))
    if "\0" in head:
        return False
    delimiter = _delimiter_of(head)
    names = _split(head, delimiter)
    filled = [_split(row, delimiter) for row in rows if row.strip()]
    return (
        len(names) > 1
        and bool(filled)
        and all(entry and number_of(entry) is None for entry in names)
        and all(len(cells) == len(names) and 2 * _count_numbers(cells) >= len(cells) for cells in filled)
    )


def describe(path: Path) -> About:
    return describe_rows(read(path))


def read(path: Path) -> Iterator[Record]:
    damage: list[Note] = []
    yield from scalars_of(_rows(path, damage))
    yield from damage


def _rows(path: Path, damage: list[Note]) -> Iterator[Mapping[str, str]]:
    with _open(path) as file:
        delimiter = _delimiter_of(file.readline(65536))
        file.seek(0)
        lines = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        names = [entry.strip() for entry in next(lines)]
        for cells in _whole(lines, damage):
            filled = cells[:-1] if len(cells) == len(names) + 1 and not cells[-1] else cells
            if len(filled) == len(names):
                yield dict(zip(names, filled, strict=True))
            elif filled:
                text = f"line {lines.line_num} has {len(filled)} cells in place of {len(names)}"
                damage.append(Note(text, is_damage=True))


def _whole(lines: Iterator[list[str]], damage: list[Note]) -> Iterator[list[str]]:
    try:
        yield from lines
    except csv.Error as error:
        damage.append(Note(f"the table cannot be read any further: {error}", is_damage=True))


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _delimiter_of(head: str) -> str:
    return max(_DELIMITERS, key=lambda delimiter: (len(_split(head, delimiter)), delimiter != " "))


def _split(line: str, delimiter: str) -> list[str]:
    try:
        rows = list(csv.reader([line.strip()], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return []
    return [cell.strip() for cell in rows[0]] if rows else []


def _count_numbers(cells: list[str]) -> int:
    return sum(cell in _MISSING or number_of(cell) is not None for cell in cells)
