"""From entries of a spool to the batch that goes over the wire: rows become columns."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.client.frames import CRC_FIELD
from monitor.client.reader import Entry
from monitor.client.rows import Names, Row
from monitor.protocol import Batch, Record


class _Group:
    """Rows that name the same series."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.rows: list[bytes] = []
        self.sequence: list[int] = []


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
    growing: dict[Names, _Group] = {}
    for entry in entries:
        row = entry.payload
        if not isinstance(row, Row):
            singles.append(row)
            continue
        group = growing.get(row.names)
        if group is None:
            group = _Group(row.names)
            groups.append(group)
            names = set(row.names.names)
            growing = {other: each for other, each in growing.items() if names.isdisjoint(other.names)}
            growing[row.names] = group
        group.rows.append(row.data)
        group.sequence.append(entry.sequence)
    return [*singles, *(group.names.points(group.sequence, group.rows) for group in groups)]
