"""The reading end of a spool: records in order, and a gap where one is lost."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time as now
from typing import NamedTuple

import msgspec

from monitor.client.frames import (
    CRC_FIELD,
    ROW,
    SEGMENT,
    Frame,
    NamedRow,
    frame_at,
    is_torn,
    payload_decoder,
)
from monitor.client.layout import first_of, segments
from monitor.client.position import Position
from monitor.client.rows import Dictionary, Row
from monitor.client.scan import Scan, read_header
from monitor.protocol import Gap, Record

#: A gap that was found, not written, has no frame: its checksum is that of its range.
RANGE = struct.Struct("<QQ")


class Entry(NamedTuple):
    """A record, with all that the batch says of it."""

    sequence: int
    last: int
    attempt: int
    checksum: int
    payload: Row | Record
    #: Bytes in the spool; 0 where it is a gap that was found and not written.
    size: int
    #: Where reading goes on behind it.
    segment: int
    end: int


class Portion(NamedTuple):
    """Records that follow each other, all of one attempt, and the position behind them."""

    entries: list[Entry]
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
        self._scan = Scan(spool, quarantine)
        self._held = held
        self._is_dead = is_dead
        self._dictionary = Dictionary()
        #: Where segments began, as they were read: the chain there, gaps included.
        self._beginnings: dict[int, Position] = {}
        #: Records that are read as gaps from now on, by their first number, and why.
        self._given_up: dict[int, str] = {}

    def give_up(self, sequence: int, reason: str) -> None:
        """From now on the record, or all that is missing from it on, is a gap for this reason."""
        self._given_up[sequence] = reason

    def read(self, position: Position, max_bytes: int, max_records: int) -> Portion:
        """What follows."""
        entries: list[Entry] = []
        size = 0
        for entry in self._entries(position):
            if entries and (entry.attempt != entries[0].attempt or size + entry.size > max_bytes):
                break
            entries.append(entry)
            size += entry.size
            if len(entries) >= max_records:
                break
        return Portion(entries, self._behind(position, entries))

    def seek(self, expected: int) -> Position:
        """The position before the record ``expected``, or the nearest that there is."""
        start = self._beginning_before(expected)
        passed: list[Entry] = []
        for entry in self._entries(start):
            if entry.sequence >= expected:
                break
            if entry.last >= expected:
                # The server has a part of what is a gap here.
                behind = self._behind(start, passed)
                return msgspec.structs.replace(behind, sequence=expected, chain=None)
            passed.append(entry)
        position = self._behind(start, passed)
        if any(entry.size == 0 for entry in passed):
            # The server may have heard what is damaged now, and then its chain is another.
            return msgspec.structs.replace(position, chain=None)
        return position

    def _behind(self, position: Position, entries: list[Entry]) -> Position:
        """The position behind the entries that follow ``position``."""
        unchained: list[bytes] = []
        for entry in entries:
            if entry.segment != position.segment:
                chain = _chain(position.chain, unchained)
                unchained = []
                position = Position(entry.segment, 0, entry.sequence, chain)
                self._beginnings[entry.segment] = position
            unchained.append(CRC_FIELD.pack(entry.checksum))
        if not entries:
            return position
        last = entries[-1]
        return Position(last.segment, last.end, last.last + 1, _chain(position.chain, unchained))

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
        expected = position.sequence
        segment, end, attempt = position.segment, position.offset, 0
        for in_segment, frame, behind in self._scan.frames(position.segment, position.offset):
            if frame.sequence < expected or frame.magic == SEGMENT:
                if frame.magic != ROW:
                    self._learn(frame)
                continue
            attempt = frame.attempt
            if frame.sequence > expected:
                yield self._hole(expected, frame.sequence - 1, attempt, segment, end)
            segment, end = in_segment, behind
            entry = self._entry(frame, segment, end)
            expected = entry.last + 1
            yield entry
        for data in held:
            frame_in_memory = frame_at(data, 0)
            assert frame_in_memory is not None
            if frame_in_memory.sequence < expected:
                continue
            if frame_in_memory.sequence > expected:
                yield self._hole(
                    expected, frame_in_memory.sequence - 1, frame_in_memory.attempt, segment, end
                )
            entry = self._entry(frame_in_memory, segment, end)
            expected = entry.last + 1
            yield entry
        if self._is_dead and self._scan.rest and not is_torn(self._scan.rest, expected):
            newest = segments(self._spool)[-1]
            self._scan.set_aside(newest)
            # How many they were nobody can tell.
            end = newest.stat().st_size
            yield _gap(
                (expected, expected), attempt, "the spool is damaged at its end", first_of(newest), end
            )

    def _entry(self, frame: Frame, segment: int, end: int) -> Entry:
        reason = self._given_up.get(frame.sequence)
        payload = reason or self._payload(frame)
        if isinstance(payload, str):
            return _gap((frame.sequence, frame.sequence), frame.attempt, payload, segment, end)
        last = payload.last if isinstance(payload, Gap) else frame.sequence
        size = frame.end - frame.begin
        return Entry(frame.sequence, last, frame.attempt, frame.crc, payload, size, segment, end)

    def _payload(self, frame: Frame) -> Row | Record | str:
        """What the frame says, or why it cannot be read."""
        if frame.magic == ROW:
            return self._dictionary.row(frame.payload, self._scan.all_frames) or "its names are damaged"
        try:
            payload = payload_decoder.decode(frame.payload)
            return self._dictionary.learn(payload) if isinstance(payload, NamedRow) else payload
        except msgspec.MsgspecError as error:
            return f"cannot be read: {error}"

    def _learn(self, frame: Frame) -> None:
        """Of what was read before only the names are of interest."""
        if frame.magic != SEGMENT:
            self._payload(frame)

    def _hole(self, first: int, last: int, attempt: int, segment: int, end: int) -> Entry:
        return _gap((first, last), attempt, self._reason_of_hole(first), segment, end)

    def _reason_of_hole(self, first: int) -> str:
        if first in self._given_up:
            return self._given_up[first]
        suspect, self._scan.suspect = self._scan.suspect, None
        if suspect is None:
            return "missing from the spool"
        self._scan.set_aside(suspect)
        return "the spool is damaged"


def _gap(span: tuple[int, int], attempt: int, reason: str, segment: int, end: int) -> Entry:
    """A gap that was found, not written."""
    first, last = span
    record = Gap(sequence=first, last=last, time=now(), reason=reason)
    return Entry(first, last, attempt, zlib.crc32(RANGE.pack(first, last)), record, 0, segment, end)


def _chain(chain: int | None, checksums: list[bytes]) -> int | None:
    return None if chain is None else zlib.crc32(b"".join(checksums), chain)
