"""A writer of a run as the store hears it: numbers its records, chains their checksums, sends batches."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from monitor import protocol
from monitor.protocol import Batch, Points, Record
from monitor.store.database import Database
from monitor.store.ingest import Applied, apply_batch
from monitor.store.picture import query_points

NOW = 1_700_000_000.0


class Voice:
    """Says records; ``batch()`` is what was said since the last one."""

    def __init__(self, writer: str = "w", run: str = "r", attempt: int = 0) -> None:
        self.writer = writer
        self.run = run
        self.attempt = attempt
        self.next = 1
        self.chain = 0
        self._first = 1
        self._records: list[Record] = []
        self._frames: list[bytes] = []

    def begin(self, **fields: Any) -> Voice:
        return self.say(protocol.Begin, **{"project": "p", "name": "n", **fields})

    def say(self, kind: type[Any], /, **fields: Any) -> Voice:
        record = kind(
            sequence=self.next, **{"time": NOW, **fields} if kind is not protocol.Declare else fields
        )
        self._records.append(record)
        self._frames.append(repr(record).encode("utf-8", "backslashreplace"))
        self.next = getattr(record, "last", self.next) + 1
        return self

    def log(
        self,
        columns: Mapping[str, Sequence[Any]],
        steps: Sequence[int],
        *,
        times: Sequence[float] | None = None,
        marks: Sequence[int] | None = None,
        packed: bool = True,
    ) -> Voice:
        """One row a step, as ``log`` calls would have made them."""
        rows = len(steps)
        sequence = list(range(self.next, self.next + rows))
        stamps = [NOW + step for step in steps] if times is None else list(times)
        self._records.append(
            Points(
                names=list(columns),
                sequence=protocol.encode_integers(sequence),
                step=protocol.encode_integers(steps),
                time=protocol.encode_floats(stamps),
                values=[
                    protocol.encode_floats(values) if packed else list(values) for values in columns.values()
                ],
                mark=None if marks is None else list(marks),
            )
        )
        for row in range(rows):
            said = repr((steps[row], stamps[row], {name: values[row] for name, values in columns.items()}))
            self._frames.append(said.encode())
        self.next += rows
        return self

    def log_distributions(self, name: str, vectors: Sequence[Sequence[float]], steps: Sequence[int]) -> Voice:
        self.log({name: [0.0] * len(steps)}, steps)
        points = self._records[-1]
        assert isinstance(points, Points)
        points.width = 11
        points.values = [protocol.encode_floats(vectors)]
        return self

    def batch(self, **fields: Any) -> Batch:
        checksums = b"".join(zlib.crc32(frame).to_bytes(4, "little") for frame in self._frames)
        batch = Batch(
            writer=self.writer,
            attempt=self.attempt,
            first=self._first,
            last=self.next - 1,
            chain=self.chain,
            checksums=checksums,
            records=self._records,
        )
        self.chain = zlib.crc32(checksums, self.chain)
        self._first, self._records, self._frames = self.next, [], []
        return msgspec.structs.replace(batch, **fields)

    def send(self, db: Database, now: float = NOW, **fields: Any) -> Applied:
        return apply_batch(db, self.run, self.batch(**fields), now)


def points_of(db: Database, name: str, run: str = "r", **view: Any) -> list[tuple[int, Any]]:
    """Every point in view as (step, value)."""
    with db.read() as c:
        columns = query_points(c, run, [name], 10**9, **view)["series"][name]
    assert columns["exact"]
    return list(zip(columns["step"], columns["last"], strict=True))
