"""From entries of a spool to the batch that goes over the wire: rows become columns."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from monitor.client.frames import CRC_FIELD, Row
from monitor.client.reader import Entry
from monitor.protocol import Batch, Points, Record, encode_floats, encode_integers

names_decoder = msgspec.msgpack.Decoder(list[str])


class _Group:
    """Rows that name the same series."""

    def __init__(self, row: Row) -> None:
        self.names = names_decoder.decode(row.names)
        self.width = row.width
        self.rows: list[Row] = []
        self.sequence: list[int] = []

    def points(self) -> Points:
        matrix = np.frombuffer(b"".join([row.values for row in self.rows]), dtype="<f8")
        columns = matrix.reshape(len(self.rows), len(self.names), self.width).swapaxes(0, 1)
        marks = [row.mark for row in self.rows]
        return Points(
            names=self.names,
            width=self.width,
            sequence=encode_integers(self.sequence),
            step=encode_integers([row.step for row in self.rows]),
            time=encode_floats([row.time for row in self.rows]),
            values=[column.tobytes() for column in columns],
            mark=encode_integers(marks) if max(marks) >= 0 else None,
        )


def build_batch(
    writer: str, entries: Sequence[Entry], chain: int | None, *, dropped: int, replayed: bool
) -> Batch:
    """The batch of consecutive entries of one attempt; ``chain`` is the one before, None if unknown."""
    checksums = b"".join(CRC_FIELD.pack(entry.checksum) for entry in entries)
    return Batch(
        writer=writer,
        attempt=entries[0].attempt,
        first=entries[0].sequence,
        last=entries[-1].last,
        chain=chain or 0,
        checksums=b"" if chain is None else checksums,
        records=_records(entries),
        dropped=dropped,
        replayed=replayed,
    )


def build_heartbeat(writer: str, attempt: int, sequence: int, *, dropped: int, replayed: bool) -> Batch:
    """A batch without records, before the record ``sequence``."""
    return Batch(
        writer=writer, attempt=attempt, first=sequence, last=sequence - 1, dropped=dropped, replayed=replayed
    )


def _records(entries: Sequence[Entry]) -> list[Record]:
    """Single records in order, then the groups.

    A loop that logs its losses and its angles by two calls a step makes two groups, not two a step; only
    calls that share a series stay apart, so that the points of each series keep their order.
    """
    singles: list[Record] = []
    groups: list[_Group] = []
    growing: dict[tuple[bytes, int], _Group] = {}
    for entry in entries:
        row = entry.payload
        if not isinstance(row, Row):
            singles.append(row)
            continue
        key = bytes(row.names), row.width
        group = growing.get(key)
        if group is None:
            group = _Group(row)
            groups.append(group)
            names = set(group.names)
            growing = {other: each for other, each in growing.items() if names.isdisjoint(each.names)}
            growing[key] = group
        group.rows.append(row)
        group.sequence.append(entry.sequence)
    return [*singles, *(group.points() for group in groups)]
