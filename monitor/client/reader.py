"""The reading end of a spool: records in order, and a gap where one is lost."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time as now
from typing import NamedTuple

import msgspec

from monitor.client.frames import (
    CRC_FIELD,
    FRAME_HEADER,
    HEADER_SIZE,
    RECORD,
    SEGMENT,
    Frame,
    Payload,
    SegmentHeader,
    frame_after,
    frame_at,
    header_decoder,
    payload_decoder,
)
from monitor.client.layout import first_of, segments
from monitor.client.position import Position
from monitor.protocol import Gap

#: A gap that was found, not written, has no frame: its checksum is that of its range.
RANGE = struct.Struct("<QQ")
#: More than the header of any segment.
MAX_HEADER = 64 * 1024


class Entry(NamedTuple):
    """A record, with all that the batch says of it."""

    sequence: int
    last: int
    attempt: int
    checksum: int
    payload: Payload
    #: Bytes in the spool.
    size: int
    #: Where reading goes on behind it.
    after: Position


class Reader:
    """Reads what is there; of a living spool also what its writer holds in memory.

    Nothing is lost silently: where a number is missing, the entry is a gap. Where bytes are damaged besides,
    the segment is copied aside for whoever wants to know what was in it.
    """

    def __init__(
        self,
        spool: Path,
        quarantine: Path,
        *,
        held: Callable[[], list[bytes]] = list,
        is_dead: bool = False,
    ) -> None:
        self._spool = spool
        self._quarantine = quarantine
        self._held = held
        self._is_dead = is_dead
        #: Where segments began, as they were read: the chain there, gaps included.
        self._beginnings: dict[int, Position] = {}
        #: Bytes behind the last sound frame of the newest segment.
        self._rest = b""
        #: A segment with bytes that make no frame.
        self._suspect: Path | None = None
        #: Records that the server will never take as they are, and why.
        self._given_up: dict[int, str] = {}

    def give_up(self, sequence: int, reason: str) -> None:
        """From now on the record is read as a gap."""
        self._given_up[sequence] = reason

    def read(self, position: Position, max_bytes: int, max_records: int) -> list[Entry]:
        """What follows, all of one attempt."""
        entries: list[Entry] = []
        size = 0
        for entry in self._entries(position):
            if entries and (entry.attempt != entries[0].attempt or size + entry.size > max_bytes):
                break
            entries.append(entry)
            size += entry.size
            if len(entries) >= max_records:
                break
        return entries

    def seek(self, expected: int) -> Position:
        """The position before the record ``expected``, or the nearest that there is."""
        position = self._beginning_before(expected)
        for entry in self._entries(position):
            if entry.sequence >= expected:
                break
            if entry.last >= expected:
                # The server has a part of what is a gap here.
                return msgspec.structs.replace(position, sequence=expected, chain=None)
            position = entry.after
        return position

    def _beginning_before(self, expected: int) -> Position:
        files = segments(self._spool)
        before = [path for path in files if first_of(path) <= expected]
        if not before:
            segment = first_of(files[0]) if files else expected
            return Position(segment, 0, expected, 0 if expected == 1 else None)
        first = first_of(before[-1])
        known = self._beginnings.get(first)
        if known is not None:
            return known
        header = read_header(before[-1])
        chain = 0 if first == 1 else header.chain if header else None
        return Position(first, 0, first, chain)

    def _entries(self, position: Position) -> Iterator[Entry]:
        # What is held is asked for first: written meanwhile it is found twice, and never not at all.
        held = self._held()
        attempt = 0
        for segment, frame, end in self._frames(position.segment, position.offset):
            if frame.magic == SEGMENT:
                if frame.sequence == position.sequence:
                    self._beginnings[segment] = Position(segment, 0, position.sequence, position.chain)
                continue
            attempt = frame.attempt
            for entry in self._accept(frame, position, segment, end):
                position = entry.after
                yield entry
        for data in held:
            frame_in_memory = frame_at(data, 0)
            assert frame_in_memory is not None
            for entry in self._accept(frame_in_memory, position, position.segment, position.offset):
                position = entry.after
                yield entry
        if self._is_dead and self._ends_in_lost_record(position):
            yield self._gap(position, position.sequence, attempt, "the spool is damaged at its end", position)

    def _accept(self, frame: Frame, position: Position, segment: int, end: int) -> Iterator[Entry]:
        """The entry of a frame, after one for what is missing before it; nothing where it was read before."""
        if frame.sequence < position.sequence:
            return
        if frame.sequence > position.sequence:
            gap = self._gap(position, frame.sequence - 1, frame.attempt, self._reason_of_hole(), position)
            position = gap.after
            yield gap
        behind = Position(segment, end, position.sequence, position.chain)
        if frame.sequence in self._given_up:
            yield self._gap(behind, frame.sequence, frame.attempt, self._given_up[frame.sequence], behind)
            return
        try:
            payload = payload_decoder.decode(frame.payload)
        except msgspec.MsgspecError as error:
            yield self._gap(behind, frame.sequence, frame.attempt, f"cannot be read: {error}", behind)
            return
        last = payload.last if isinstance(payload, Gap) else frame.sequence
        after = Position(segment, end, last + 1, _chain(position.chain, frame.crc))
        size = len(frame.payload) + HEADER_SIZE
        yield Entry(frame.sequence, last, frame.attempt, frame.crc, payload, size, after)

    def _gap(self, position: Position, last: int, attempt: int, reason: str, behind: Position) -> Entry:
        first = position.sequence
        checksum = zlib.crc32(RANGE.pack(first, last))
        after = Position(behind.segment, behind.offset, last + 1, _chain(position.chain, checksum))
        record = Gap(sequence=first, last=last, time=now(), reason=reason)
        return Entry(first, last, attempt, checksum, record, HEADER_SIZE, after)

    def _reason_of_hole(self) -> str:
        suspect, self._suspect = self._suspect, None
        if suspect is None:
            return "missing from the spool"
        self._set_aside(suspect)
        return "the spool is damaged"

    def _set_aside(self, segment: Path) -> None:
        try:
            self._quarantine.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(segment, self._quarantine / segment.name)
        except OSError:
            return

    def _frames(self, segment: int, offset: int) -> Iterator[tuple[int, Frame, int]]:
        """(segment, frame, end) of every sound frame from there on."""
        files = segments(self._spool)
        for path in files:
            first = first_of(path)
            if first < segment:
                continue
            base = offset if first == segment else 0
            data = _read_from(path, base)
            at = 0
            while frame := frame_at(data, at) or frame_after(data, at + 1):
                if frame.begin != at:
                    self._suspect = path
                at = frame.end
                yield first, frame, base + at
            self._rest = data[at:]
            if self._rest and path != files[-1]:
                self._suspect = path

    def _ends_in_lost_record(self, position: Position) -> bool:
        """Whether the last bytes are a whole frame that is damaged; a torn one was never logged."""
        if len(self._rest) < HEADER_SIZE:
            return False
        magic, _, length, _, sequence = FRAME_HEADER.unpack_from(self._rest)
        is_whole = HEADER_SIZE + length == len(self._rest)
        return bool(magic == RECORD and sequence == position.sequence and is_whole)


def _read_from(segment: Path, offset: int) -> bytes:
    try:
        with segment.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""


def read_header(segment: Path) -> SegmentHeader | None:
    """Whose segment this is; None where its beginning is damaged."""
    try:
        with segment.open("rb") as file:
            frame = frame_at(file.read(MAX_HEADER), 0)
        return None if frame is None else header_decoder.decode(frame.payload)
    except (OSError, msgspec.MsgspecError):
        return None


def _chain(chain: int | None, checksum: int) -> int | None:
    return None if chain is None else zlib.crc32(CRC_FIELD.pack(checksum), chain)
