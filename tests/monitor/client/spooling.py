"""Spools for tests: written by the real writer, read by the real reader."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgspec

from monitor import protocol
from monitor.client.frames import Row
from monitor.client.layout import segments
from monitor.client.position import Position
from monitor.client.reader import Entry, Reader
from monitor.client.spool import Spool


def begin(**fields: Any) -> protocol.Begin:
    return protocol.Begin(**{"sequence": 1, "time": 1.0, "project": "p", "name": "n", **fields})


def row(step: int, mark: int = -1, **values: float) -> Row:
    names = msgspec.Raw(protocol.msgpack_encoder.encode(list(values)))
    packed = struct.pack(f"<{len(values)}d", *values.values())
    return Row(names=names, width=1, step=step, time=float(step), mark=mark, values=packed)


def write_spool(directory: Path, rows: int, run: str = "run", **options: Any) -> Path:
    """A spool that its process left behind: a beginning and rows with steps from 0 on."""
    spool = Spool(directory, run, "0-writer", **options)
    spool.append(begin())
    for step in range(rows):
        spool.append(row(step, loss=step / 2))
    spool.close()
    return spool.directory


def reader(spool: Path, **options: Any) -> Reader:
    return Reader(spool, spool.parent.parent.parent / "quarantine", **options)


def read_all(spool: Path, **options: Any) -> list[Entry]:
    """Everything, by batches of a few records."""
    source, position, found = reader(spool, **options), Position(), []
    while entries := source.read(position, 500, 7):
        found += entries
        position = entries[-1].after
    return found


def steps_of(entries: list[Entry]) -> list[int]:
    return [entry.payload.step for entry in entries if isinstance(entry.payload, Row)]


def gaps_of(entries: list[Entry]) -> list[tuple[int, int]]:
    return [(entry.sequence, entry.last) for entry in entries if isinstance(entry.payload, protocol.Gap)]


def only_segment(spool: Path) -> Path:
    (segment,) = segments(spool)
    return segment
