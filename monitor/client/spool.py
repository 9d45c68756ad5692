"""The writing end of a spool: one process, one lock, one ``write(2)`` a record (format: ``frames.py``)."""

from __future__ import annotations

import errno
import os
import threading
import zlib
from collections import deque
from pathlib import Path
from time import time as now

from monitor import protocol
from monitor.client.frames import (
    CRC_FIELD,
    FRAME_HEADER,
    HEADER_SIZE,
    MAX_PAYLOAD,
    RECORD,
    SEGMENT,
    Row,
    SegmentHeader,
    encode_frame,
    seal,
)
from monitor.client.held import Held
from monitor.client.layout import segment_path, spool_directory, take_lock
from monitor.client.notices import Notices

SEGMENT_BYTES = 8 * 2**20
SPOOL_BYTES = 2 * 2**30

Single = (
    protocol.Begin
    | protocol.Attempt
    | protocol.Declare
    | protocol.Mark
    | protocol.Image
    | protocol.End
    | protocol.Acknowledgement
)


class Spool:
    """Numbers records and writes them. Whatever the disk does, nothing is raised; what is lost is counted."""

    def __init__(
        self,
        directory: Path,
        run: str,
        writer: str,
        *,
        server: str = "",
        attempt: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        limit: int = SPOOL_BYTES,
    ) -> None:
        self.directory = spool_directory(directory, run, writer)
        self.run = run
        self.writer = writer
        self.attempt = attempt
        #: Records that nothing could keep; each of them is told to the server in a gap.
        self.dropped = 0
        #: The number of the newest record.
        self.sequence = 0
        self._server = server
        self._segment_bytes = segment_bytes
        self._limit = limit
        self._notices = Notices()
        # Reentrant, since a signal handler may log while its own thread is inside append.
        self._lock = threading.RLock()
        self._busy = False
        self._interrupting: deque[Row | Single] = deque()
        self._held = Held()
        self._buffer = bytearray(HEADER_SIZE)
        self._chain = 0
        self._lock_descriptor: int | None = None
        self._descriptor: int | None = None
        self._size = 0
        #: Segments that are full and wait for their fsync.
        self._retired: list[int] = []
        #: Bytes of the spool on disk, images included.
        self._total = 0

    def append(self, record: Row | Single) -> None:
        """Number the record and keep it. When this returns, it survives the process or is counted as lost."""
        with self._lock:
            if self._busy:
                self._interrupting.append(record)
                return
            self._busy = True
            try:
                self._append(record)
                while self._interrupting:
                    self._append(self._interrupting.popleft())
            finally:
                self._busy = False

    def has_room(self, size: int) -> bool:
        return self._total + size <= self._limit

    def grew(self, size: int) -> None:
        """Something beside the records takes space; negative where something was deleted."""
        with self._lock:
            self._total += size

    def held(self) -> list[bytes]:
        """Frames that the disk would not take, oldest first."""
        with self._lock:
            return self._held.hand_out() if self._held else []

    def synchronize(self) -> None:
        """Make what is written survive a power cut."""
        with self._lock:
            retired, self._retired = self._retired, []
            current = self._descriptor
        try:
            for descriptor in retired:
                os.fdatasync(descriptor)
                os.close(descriptor)
            if current is not None:
                os.fdatasync(current)
        except OSError as error:
            self._notices.once("fsync", "fsync of the spool fails: %s", error.strerror)

    def close(self) -> None:
        """Let go of the spool: from now on it may be adopted."""
        self.synchronize()
        self._close_descriptors()

    def forsake(self) -> None:
        """In a forked child: share neither lock nor file with the parent."""
        self._lock = threading.RLock()
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        with self._lock:
            for descriptor in (*self._retired, self._descriptor, self._lock_descriptor):
                if descriptor is not None:
                    os.close(descriptor)
            self._retired, self._descriptor, self._lock_descriptor = [], None, None

    def _append(self, record: Row | Single) -> None:
        is_row = type(record) is Row
        buffer = self._buffer
        sequence = self.sequence + 1
        if not isinstance(record, Row):
            record.sequence = sequence
        protocol.msgpack_encoder.encode_into(record, buffer, HEADER_SIZE)
        if isinstance(record, protocol.Attempt):
            self.attempt = record.number
        self.sequence = sequence
        crc = seal(buffer, RECORD, self.attempt, sequence)
        reason = self._write_or_reason(is_row)
        if reason is None:
            self._chain = zlib.crc32(CRC_FIELD.pack(crc), self._chain)
            return
        if is_row or len(buffer) > MAX_PAYLOAD or not self._held.keep(bytes(buffer)):
            self._notices.once("full", "the spool %s; what is lost is counted", reason)
            self.dropped += 1
            self._held.lose(sequence, self.attempt, f"the spool {reason}", now())

    def _write_or_reason(self, is_row: bool) -> str | None:
        """Write the buffer behind all that is held; else say why not."""
        if len(self._buffer) > MAX_PAYLOAD:
            return f"takes no record of more than {MAX_PAYLOAD} bytes"
        # What describes the run is small and goes beyond the limit.
        if is_row and not self.has_room(len(self._buffer)):
            return f"has reached its limit of {self._limit} bytes"
        try:
            if self._held:
                self._write_held()
            self._write(self._buffer)
        except OSError as error:
            return f"cannot be written ({error.strerror})"
        return None

    def _write_held(self) -> None:
        for frame in self._held.frames():
            self._write(frame)
            self._held.written()
            self._chain = zlib.crc32(frame[4:8], self._chain)

    def _write(self, frame: bytes | bytearray) -> None:
        if self._descriptor is None or self._size >= self._segment_bytes:
            self._begin_segment(FRAME_HEADER.unpack_from(frame)[4])
        self._write_whole(self._descriptor, frame)

    def _write_whole(self, descriptor: int | None, frame: bytes | bytearray) -> None:
        assert descriptor is not None
        written = os.write(descriptor, frame)
        if written != len(frame):
            # The disk took a part. It is cut off again; were that to fail, the reader would skip it.
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        self._total += written

    def _begin_segment(self, first: int) -> None:
        if self._lock_descriptor is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock_descriptor = take_lock(self.directory)
            if self._lock_descriptor is None:
                raise OSError(errno.EAGAIN, "another process holds its lock")
        header = SegmentHeader(run=self.run, writer=self.writer, chain=self._chain, server=self._server)
        frame = encode_frame(protocol.msgpack_encoder.encode(header), SEGMENT, self.attempt, first)
        path = segment_path(self.directory, first)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        try:
            self._write_whole(descriptor, frame)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        if self._descriptor is not None:
            self._retired.append(self._descriptor)
        self._descriptor, self._size = descriptor, len(frame)
