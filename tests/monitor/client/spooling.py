"""Spools for tests: written by the real writer, read by the real reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from monitor import protocol
from monitor.client.layout import segments
from monitor.client.position import Position
from monitor.client.reader import Entry, Portion, Reader
from monitor.client.rows import Columns, Row
from monitor.client.spool import Spool

_columns: WeakKeyDictionary[Spool, dict[tuple[str, ...], Columns]] = WeakKeyDictionary()


def begin(**fields: Any) -> protocol.Begin:
    return protocol.Begin(**{"sequence": 1, "time": 1.0, "project": "p", "name": "n", **fields})


def log(spool: Spool, step: int, mark: int = -1, attempt: int | None = None, **values: float) -> None:
    """A row, as `Run.log` writes it."""
    known = _columns.setdefault(spool, {})
    columns = known.setdefault(tuple(values), Columns(tuple(values), 1))
    spool.append_row(columns, (step, float(step), mark), values.values(), attempt)


def write_spool(directory: Path, rows: int, run: str = "run", **options: Any) -> Path:
    """A spool that its process left behind: a beginning and rows with steps from 0 on."""
    spool = Spool(directory, run, "0-writer", **options)
    spool.append(begin())
    for step in range(rows):
        log(spool, step, loss=step / 2)
    spool.close()
    return spool.directory


def reader(spool: Path, **options: Any) -> Reader:
    return Reader(spool, spool.parent.parent.parent / "quarantine", **options)


def read_portions(spool: Path, **options: Any) -> list[Portion]:
    """Everything, by batches of a few records."""
    source, position, found = reader(spool, **options), Position(), []
    while (portion := source.read(position, 500, 7)).entries:
        found.append(portion)
        position = portion.after
    return found


def read_all(spool: Path, **options: Any) -> list[Entry]:
    return [entry for portion in read_portions(spool, **options) for entry in portion.entries]


def steps_of(entries: list[Entry]) -> list[int]:
    return [entry.payload.step for entry in entries if isinstance(entry.payload, Row)]


def gaps_of(entries: list[Entry]) -> list[tuple[int, int]]:
    return [(entry.sequence, entry.last) for entry in entries if isinstance(entry.payload, protocol.Gap)]


def only_segment(spool: Path) -> Path:
    (segment,) = segments(spool)
    return segment
