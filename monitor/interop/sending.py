"""Delivers a log as a training process delivers its spool: numbered, checksummed, each record once.

The writer of a file is named after the file, its records come out of the reader in the same order with the
same content, and the server is asked first how far it has them. A second writer, ``the-end-...``, says when
the run ended, and says it first: the end must stay the last word however much is added to a log later, and a
run that is only being imported must not be taken for one that fell silent.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from time import time as now
from typing import Any

import msgspec

from monitor import protocol
from monitor.client.images import digest_of, encode_grid, grid_shape
from monitor.client.transport import HttpTransport, Reply, Unreachable
from monitor.errors import Misuse
from monitor.interop.evaluations import Evaluations
from monitor.interop.logs import Log
from monitor.interop.records import ELAPSED, About, Distribution, Note, Pictures, Record, Scalars, Unreadable
from monitor.interop.rows import Names, Rows, Width

BATCH_BYTES = 2**20
BATCH_RECORDS = 20_000


@dataclass
class Report:
    """What became of a log."""

    run: str
    name: str
    #: Records that the log holds, and how many of them the server did not have.
    records: int = 0
    new: int = 0
    #: What is not imported, each once.
    notes: dict[str, None] = field(default_factory=dict)
    is_damaged: bool = False
    rejected: list[str] = field(default_factory=list)


def import_log(
    log: Log, transport: HttpTransport, project: str | None = None, run: str | None = None
) -> Report:
    """Deliver what the server does not have of the log. Raises ``Unreadable`` where that cannot be."""
    abouts = [log.reader.describe(file) for file in log.files]
    about = abouts[0]
    run = run or _run_id(log)
    report = Report(run, about.name or log.name)
    began = about.began or _began_on_disk(log, about)
    ended = max((each.ended or 0.0 for each in abouts), default=0.0)
    begin = protocol.Begin(
        sequence=1,
        time=began,
        project=project or about.project or "imported",
        name=report.name,
        config=dict(about.config),
        resume=True,
    )
    last = abouts[-1]
    _say_the_end(transport, run, begin, last, ended if ended >= ELAPSED else began + ended)
    # From here on nothing may be said otherwise when the log is imported again: by then it may have moved,
    # and what it says of the run, or whoever imports it, may have changed.
    began = about.began or _began_as_stored(transport, run)
    begin = protocol.Begin(sequence=1, time=began, project="imported", name=run, resume=True)
    for file in log.files:
        writer = f"import-{hashlib.sha256(file.name.encode()).hexdigest()[:16]}"
        delivery = _Delivery(transport, run, writer, report)
        delivery.say(begin)
        for record in log.reader.read(file):
            delivery.take(record, began)
        delivery.finish()
    return report


class _Delivery:
    """One writer: numbers the records of a log, and sends those that the server does not have."""

    def __init__(self, transport: HttpTransport, run: str, writer: str, report: Report) -> None:
        self._transport = transport
        self._path = f"/runs/{run}"
        self._writer = writer
        self._report = report
        self._sequence = 0
        #: The chain over all records so far.
        self._chain = 0
        beat = protocol.Batch(writer=writer, first=1, last=0, replayed=True)
        self._has = _post(transport, self._path, beat).high_water
        self._evaluations = Evaluations()
        self._begin_batch()

    def take(self, record: Record, began: float) -> None:
        if isinstance(record, Note):
            self._report.notes[record.text] = None
            self._report.is_damaged |= record.is_damage
            return
        time = began if record.time is None else record.time + (began if record.time < ELAPSED else 0.0)
        self._report.records += 1
        if self._sequence >= self._has:
            self._report.new += 1
        match record:
            case Scalars():
                self._scalars(record, time)
            case Distribution():
                self._row((record.name,), 11, record.step, time, record.values)
            case Pictures():
                self._picture(record, time)

    def say(self, record: protocol.Begin | protocol.Declare | protocol.Mark | protocol.Image) -> None:
        record = msgspec.structs.replace(record, sequence=self._sequence + 1)
        self._number(protocol.msgpack_encoder.encode(record))
        self._others.append(record)

    def finish(self) -> None:
        """Send the rest; where the server has all, the last record again: it tells whether it is the same."""
        if self._sequence < self._has:
            raise Unreadable("it is shorter than what was imported of it before")
        self._send()

    def _scalars(self, record: Scalars, time: float) -> None:
        """As a row, and where the step is an evaluation what was measured at it as one that names it."""
        for name, role in self._evaluations.new_roles(record.values).items():
            self.say(protocol.Declare(sequence=1, name=name, role=role))
        if self._evaluations.begins_with(record):
            epoch = record.values.get("epoch")
            self.say(protocol.Mark(sequence=1, time=time, index=record.step, step=record.step, epoch=epoch))
        at_mark = self._evaluations.named_by(record)
        for mark, names in (
            (-1, tuple(name for name in record.values if name not in at_mark)),
            (record.step, tuple(name for name in record.values if name in at_mark)),
        ):
            if names:
                self._row(names, 1, record.step, time, tuple(map(record.values.__getitem__, names)), mark)

    def _row(  # noqa: PLR0917 - a row in the order of the wire
        self, names: Names, width: Width, step: int, time: float, values: tuple[float, ...], mark: int = -1
    ) -> None:
        self._number(protocol.msgpack_encoder.encode((names, width, step, time, values, mark)))
        self._rows.add(self._sequence, names, width, step=step, time=time, values=values, mark=mark)

    def _picture(self, record: Pictures, time: float) -> None:
        data = encode_grid(record.images)
        rows, columns = grid_shape(len(record.images))
        image = protocol.Image(
            sequence=1,
            time=time,
            name=record.name,
            step=record.step,
            digest=digest_of(data),
            rows=rows,
            columns=columns,
        )
        if self._sequence >= self._has:
            path = f"{self._path}/images/{image.digest}"
            reply = _answered(lambda: self._transport.put(path, data, "image/png"))
            if reply.status >= HTTPStatus.BAD_REQUEST:
                self._report.notes[f"an image of {record.name!r} is refused: {_detail(reply)}"] = None
        self.say(image)

    def _number(self, encoded: bytes) -> None:
        """Give the record the next number, after making room for it."""
        if self._sequence < self._has:
            # What the server has is gone through without sending it, but for the last.
            self._begin_batch()
        elif len(self._checksums) >= 4 * BATCH_RECORDS or self._size >= BATCH_BYTES:
            self._send()
        checksum = zlib.crc32(encoded).to_bytes(4, "little")
        self._checksums += checksum
        self._chain = zlib.crc32(checksum, self._chain)
        self._size += len(encoded)
        self._sequence += 1

    def _begin_batch(self) -> None:
        self._first, self._chain_before = self._sequence + 1, self._chain
        self._others: list[protocol.Record] = []
        self._rows = Rows()
        self._checksums, self._size = bytearray(), 0

    def _send(self) -> None:
        batch = protocol.Batch(
            writer=self._writer,
            first=self._first,
            last=self._sequence,
            chain=self._chain_before,
            checksums=bytes(self._checksums),
            records=[*self._others, *self._rows.points()],
            replayed=True,
        )
        receipt = _post(self._transport, self._path, batch)
        self._report.rejected += [f"{entry.key}: {entry.reason}" for entry in receipt.rejected]
        self._begin_batch()


def _say_the_end(
    transport: HttpTransport, run: str, begin: protocol.Begin, about: About, ended: float
) -> None:
    end = protocol.End(sequence=2, time=ended, state=about.outcome, message=about.message)
    # Named by the outcome: of two with the same beginning, the later name has the last word.
    batch = protocol.Batch(
        writer=f"the-end-{about.outcome}", first=1, last=2, records=[begin, end], replayed=True
    )
    _post(transport, f"/runs/{run}", batch)


def _run_id(log: Log) -> str:
    """From the log's name and the first record: a copy elsewhere is the same run, another training is not."""
    first = next((entry for entry in log.reader.read(log.files[0]) if not isinstance(entry, Note)), None)
    if first is None:
        raise Unreadable("it holds nothing that can be imported")
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", log.name).strip("-._")[-50:].lstrip("-._")
    content = protocol.msgpack_encoder.encode(_identity(first))
    return f"{stem or 'log'}-{hashlib.sha256(log.name.encode() + content).hexdigest()[:8]}"


def _identity(record: Record) -> Any:
    match record:
        case Scalars(step, time, values):
            return [step, time, dict(values)]
        case Distribution(step, time, name, values):
            return [step, time, name, values]
        case Pictures(step, time, name, images):
            return [step, time, name, images.tobytes()]
    return None


def _began_on_disk(log: Log, about: About) -> float:
    """When a log that does not say so began, by the file's date."""
    return min(log.files[0].stat().st_mtime - (about.ended or 0.0), now())


def _began_as_stored(transport: HttpTransport, run: str) -> float:
    """The same as the first import told it, and the service took it: its clock may be another."""
    reply = _answered(lambda: transport.get(f"/runs/{run}"))
    if reply.status != HTTPStatus.OK:
        raise Unreadable(f"the service answered {_detail(reply)}")
    created: float = msgspec.json.decode(reply.body)["created"]
    return created


def _post(transport: HttpTransport, path: str, batch: protocol.Batch) -> protocol.Receipt:
    body = protocol.msgpack_encoder.encode(batch)
    reply = _answered(lambda: transport.post(f"{path}/batches", body, protocol.MEDIA_TYPE_MSGPACK))
    if reply.status == HTTPStatus.CONFLICT:
        raise Unreadable(
            "the service has other content under this run: delete the run, or import under another with --id"
        )
    if reply.status != HTTPStatus.OK:
        raise Unreadable(f"the service answered {_detail(reply)}")
    return protocol.receipt_decoder.decode(reply.body)


def _answered(ask: Callable[[], Reply]) -> Reply:
    try:
        reply = ask()
    except Unreachable as error:
        raise Misuse(
            f"the service does not answer ({error}); import again, it goes on where it stopped"
        ) from None
    if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise Misuse("the service does not know the token; give the link that `ganwatch token` prints")
    return reply


def _detail(reply: Reply) -> str:
    try:
        problem = msgspec.json.decode(reply.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = {}
    return f"{reply.status} {problem.get('detail', '')}".rstrip()
