"""A service in miniature on the loopback: the receipt logic of the protocol, and how a network fails."""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor import protocol

PATIENCE = 20.0


class Answer(Exception):  # noqa: N818 - an answer that is no success
    def __init__(self, status: int, type: str, **extra: Any) -> None:  # noqa: A002 - the word of the wire
        self.status = status
        self.document = {"type": type, "title": type, "detail": f"{type} it is", "status": status, **extra}


class Writer:
    def __init__(self) -> None:
        self.high_water = 0
        self.chains = {0: 0}
        #: By sequence: what came under it (of points: attempt, step, mark and values).
        self.records: dict[int, Any] = {}
        self.heartbeats = 0


class Service:
    """What it stored is public; what it does next is in ``faults``."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Writer]] = {}
        self.images: dict[str, bytes] = {}
        self.commands: list[protocol.Command] = []
        self.batches: list[protocol.Batch] = []
        self.uploads = 0
        #: What happens to the next requests: "drop" (applied, no answer), "ignore" (neither), an Answer.
        self.faults: deque[str | Answer | None] = deque()
        #: Judges each batch before it is applied; raises an Answer.
        self.judge: Callable[[protocol.Batch], None] = lambda _: None
        self.reject: Callable[[protocol.Batch], list[protocol.Rejection]] = lambda _: []
        self.tokens: list[str | None] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Waits for requests; fails when it takes too long."""
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE), "it never came to hold"

    def writer(self, run: str) -> Writer:
        (writer,) = self.runs[run].values()
        return writer

    def records(self, run: str, kind: type | None = None) -> list[Any]:
        """Everything stored for the run, by writer and sequence."""
        found = [
            record
            for writer in self.runs.get(run, {}).values()
            for _, record in sorted(writer.records.items())
        ]
        return [record for record in found if kind is None or isinstance(record, kind)]

    def points(self, run: str, name: str) -> list[tuple[int, Any]]:
        """(step, value) of a series in the order of logging; equal numbers twice would show here."""
        rows = [record for record in self.records(run, dict) if name in record["values"]]
        return [(row["step"], row["values"][name]) for row in rows]

    def forget(self) -> None:
        """The database is lost."""
        with self._changed:
            self.runs.clear()
            self.images.clear()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                batch = protocol.batch_decoder_msgpack.decode(body)
                self._answer(
                    lambda: service._apply(self.path.split("/")[4], batch), lambda: service.judge(batch)
                )

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(lambda: service._store_image(self.path.rsplit("/", 1)[1], body))

            def _answer(self, apply: Callable[[], bytes], judge: Callable[[], None] = lambda: None) -> None:
                with service._changed:
                    service.tokens.append(self.headers.get("Authorization"))
                    service._changed.notify_all()
                fault = service.faults.popleft() if service.faults else None
                status, body = 200, b""
                try:
                    if isinstance(fault, Answer):
                        raise fault
                    if fault != "ignore":
                        judge()
                        with service._changed:
                            body = apply()
                except Answer as answer:
                    status, body = answer.status, msgspec.json.encode(answer.document)
                with service._changed:
                    service._changed.notify_all()
                if fault in ("drop", "ignore"):
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _store_image(self, digest: str, body: bytes) -> bytes:
        assert hashlib.sha256(body).hexdigest() == digest
        self.images[digest] = body
        self.uploads += 1
        return b""

    def _apply(self, run: str, batch: protocol.Batch) -> bytes:
        self.batches.append(batch)
        writers = self.runs.get(run, {})
        writer = writers.get(batch.writer)
        if writer is None:
            if batch.first > 1:
                raise Answer(404, "unknown-writer")
            if not batch.records:
                return protocol.msgpack_encoder.encode(protocol.Receipt(high_water=0))
            writer = self.runs.setdefault(run, {}).setdefault(batch.writer, Writer())
        if batch.first > writer.high_water + 1:
            raise Answer(409, "gap", expected=writer.high_water + 1)
        if not batch.records:
            writer.heartbeats += 1
        self._store(writer, batch)
        commands = [] if batch.replayed else self.commands
        receipt = protocol.Receipt(
            high_water=writer.high_water, rejected=self.reject(batch), commands=commands
        )
        return protocol.msgpack_encoder.encode(receipt)

    def _store(self, writer: Writer, batch: protocol.Batch) -> None:
        records = expand(batch)
        ends = [record.last if isinstance(record, protocol.Gap) else n for n, record in records]
        assert [n for n, _ in records] == [batch.first, *(end + 1 for end in ends[:-1])][: len(records)]
        assert not records or ends[-1] == batch.last
        chain = batch.chain
        if batch.checksums:
            if writer.chains.get(batch.first - 1, chain) != chain:
                raise Answer(409, "diverged")
            for i, end in enumerate(ends):
                chain = zlib.crc32(batch.checksums[4 * i : 4 * i + 4], chain)
                if writer.chains.setdefault(end, chain) != chain:
                    raise Answer(409, "diverged")
        for n, record in records:
            if n > writer.high_water:
                assert n not in writer.records
                writer.records[n] = record
        writer.high_water = max(writer.high_water, batch.last)


def expand(batch: protocol.Batch) -> list[tuple[int, Any]]:
    """(sequence, record) in order; a row of points is a dictionary."""
    records: list[tuple[int, Any]] = []
    for record in batch.records:
        if not isinstance(record, protocol.Points):
            records.append((record.sequence, record))
            continue
        sequence, steps = _column(record.sequence, "<i8").tolist(), _column(record.step, "<i8").tolist()
        marks = [-1] * len(steps) if record.mark is None else _column(record.mark, "<i8").tolist()
        columns = [_column(column, "<f8").reshape(len(steps), -1) for column in record.values]
        for row, n in enumerate(sequence):
            values = {
                name: column[row, 0].item() if record.width == 1 else column[row].tolist()
                for name, column in zip(record.names, columns, strict=True)
            }
            records.append(
                (n, {"attempt": batch.attempt, "step": steps[row], "mark": marks[row], "values": values})
            )
    return sorted(records, key=lambda pair: pair[0])


def _column(data: object, kind: str) -> NDArray[Any]:
    assert isinstance(data, bytes)
    return np.frombuffer(data, kind)
