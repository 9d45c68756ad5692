"""The writing end of a spool: one process, one lock, one ``write(2)`` a record (format: ``frames.py``)."""

from __future__ import annotations

import errno
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from time import time as now

from monitor import protocol
from monitor.client.frames import (
    CHECKED_FROM,
    CRC_FIELD,
    FRAME_HEADER,
    HEADER_SIZE,
    MAX_PAYLOAD,
    RECORD,
    SEGMENT,
    SegmentHeader,
    encode_frame,
    seal,
)
from monitor.client.held import Held
from monitor.client.layout import segment_path, spool_directory, take_lock
from monitor.client.notices import Notices
from monitor.client.rows import Columns, Place

SEGMENT_BYTES = 8 * 2**20
SPOOL_BYTES = 2 * 2**30

Single = (
    protocol.Begin
    | protocol.Configure
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
        self._interrupting: deque[Callable[[], None]] = deque()
        self._held = Held()
        self._buffer = bytearray(HEADER_SIZE)
        #: Sets of names so far, and segments.
        self._sets = 0
        self._segment = 0
        self._chain = 0
        self._lock_descriptor: int | None = None
        self._descriptor: int | None = None
        self._size = 0
        #: Segments that are full and wait for their fsync.
        self._retired: list[int] = []
        #: Bytes of the spool on disk, images included.
        self._total = 0

    def append(self, record: Single, attempt: int | None = None) -> None:
        """Number the record and keep it. When this returns, it survives the process or is counted as lost.

        It belongs to the current attempt, or to the one named.
        """
        self._undisturbed(partial(self._append, record, attempt))

    def append_row(
        self,
        columns: Columns,
        place: Place,
        values: Collection[float],
        attempt: int | None = None,
    ) -> None:
        """The same for the numbers of one call of ``log``: those of the columns, one after the other."""
        if self._busy:
            # It may be written later: what is true now must not change until then.
            values = tuple(values)
        self._undisturbed(partial(self._append_row, columns, place, values, attempt))

    def _undisturbed(self, work: Callable[[], None]) -> None:
        with self._lock:
            if self._busy:
                self._interrupting.append(work)
                return
            self._busy = True
            try:
                work()
                while self._interrupting:
                    self._interrupting.popleft()()
            finally:
                self._busy = False

    def has_room(self, size: int) -> bool:
        return self._total + size <= self._limit

    def grew(self, size: int) -> None:
        """Something beside the records takes space; negative where something was deleted."""
        with self._lock:
            self._total += size

    def count_lost(self, records: int) -> None:
        """Records that were written are lost all the same."""
        with self._lock:
            self.dropped += records

    def lose_held(self, confirmed: int) -> None:
        """The end, and the disk still takes nothing: what is held behind ``confirmed`` is lost."""
        with self._lock:
            self.dropped += self._held.records_behind(confirmed)

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

    def _append(self, record: Single, attempt: int | None) -> None:
        buffer = self._buffer
        record.sequence = self.sequence + 1
        protocol.msgpack_encoder.encode_into(record, buffer, HEADER_SIZE)
        if isinstance(record, protocol.Attempt):
            self.attempt = attempt = record.number
        attempt = self.attempt if attempt is None else attempt
        self.sequence += 1
        crc = seal(buffer, RECORD, attempt, self.sequence)
        # What describes the run is small and goes beyond the limit.
        reason = self._write_or_reason(buffer, crc)
        if reason is not None and (len(buffer) > MAX_PAYLOAD or not self._held.keep(bytes(buffer))):
            self._lose(attempt, reason)

    def _append_row(
        self, columns: Columns, place: Place, values: Collection[float], attempt: int | None
    ) -> None:
        attempt = self.attempt if attempt is None else attempt
        if not columns.number:
            self._sets += 1
            columns.number = self._sets
        frame: bytearray
        if columns.is_named(self._segment + self._needs_segment()):
            frame = self._buffer
            protocol.msgpack_encoder.encode_into(columns.named(place, values), frame, HEADER_SIZE)
            crc = seal(frame, RECORD, attempt, self.sequence + 1)
        else:
            frame = columns.frame(attempt, self.sequence + 1, place, values)
            crc = zlib.crc32(memoryview(frame)[CHECKED_FROM:])
            CRC_FIELD.pack_into(frame, 4, crc)
        self.sequence += 1
        if self.has_room(len(frame)):
            reason = self._write_or_reason(frame, crc)
        else:
            reason = f"has reached its limit of {self._limit} bytes"
        if reason is None:
            columns.rows += 1
        else:
            self._lose(attempt, reason)

    def _lose(self, attempt: int, reason: str) -> None:
        self._notices.once("full", "the spool %s; what is lost is counted", reason)
        self.dropped += 1
        self._held.lose(self.sequence, attempt, f"the spool {reason}", now())

    def _write_or_reason(self, frame: bytearray, crc: int) -> str | None:
        """Write the frame behind all that is held; else say why not."""
        if len(frame) > MAX_PAYLOAD:
            return f"takes no record of more than {MAX_PAYLOAD} bytes"
        try:
            if self._held:
                self._write_held()
            self._write(frame)
        except OSError as error:
            return f"cannot be written ({error.strerror})"
        self._chain = zlib.crc32(CRC_FIELD.pack(crc), self._chain)
        return None

    def _write_held(self) -> None:
        for frame in self._held.frames():
            self._write(frame)
            self._held.written()
            self._chain = zlib.crc32(frame[4:8], self._chain)

    def _needs_segment(self) -> bool:
        return self._descriptor is None or self._size >= self._segment_bytes

    def _write(self, frame: bytes | bytearray) -> None:
        if self._needs_segment():
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
        self._segment += 1
