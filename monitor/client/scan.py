"""Going through the segments of a spool: every sound frame, and what lies between them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from monitor.client.frames import (
    Frame,
    SegmentHeader,
    frame_after,
    frame_at,
    header_decoder,
    sound_frames,
)
from monitor.client.layout import first_of, segments

#: More than the header of any segment.
MAX_HEADER = 64 * 1024
#: Read at first of what follows in a segment; a batch is smaller.
READ_BYTES = 2 * 2**20


class Scan:
    """The frames of a spool, and what was found damaged."""

    def __init__(self, spool: Path, quarantine: Path) -> None:
        self._spool = spool
        self._quarantine = quarantine
        #: Bytes behind the last sound frame of the newest segment.
        self.rest = b""
        #: A segment with bytes that make no frame.
        self.suspect: Path | None = None

    def set_aside(self, segment: Path) -> None:
        """Keep a copy for whoever wants to know what was in it."""
        try:
            self._quarantine.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(segment, self._quarantine / segment.name)
        except OSError:
            return

    def all_frames(self) -> Iterator[Frame]:
        """From the beginning, damage or not."""
        for path in segments(self._spool):
            yield from sound_frames(_read(path, 0, -1))

    def frames(self, segment: int, offset: int) -> Iterator[tuple[int, Frame, int]]:
        """(segment, frame, end) of every sound frame from there on."""
        files = segments(self._spool)
        for path in files:
            first = first_of(path)
            if first < segment:
                continue
            at = base = offset if first == segment else 0
            data = _read(path, base, READ_BYTES)
            is_whole = len(data) < READ_BYTES
            at = 0
            while True:
                frame = frame_at(data, at)
                if frame is None and not is_whole:
                    base, at = base + at, 0
                    data, is_whole = _read(path, base, -1), True
                    continue
                if frame is None:
                    frame = frame_after(data, at + 1)
                    if frame is None:
                        break
                    self.suspect = path
                at = frame.end
                yield first, frame, base + at
            self.rest = data[at:]
            if self.rest and path != files[-1]:
                self.suspect = path


def read_header(segment: Path) -> SegmentHeader | None:
    """Whose segment this is; None where its beginning is damaged."""
    frame = frame_at(_read(segment, 0, MAX_HEADER), 0)
    try:
        return None if frame is None else header_decoder.decode(frame.payload)
    except msgspec.MsgspecError:
        return None


def _read(segment: Path, offset: int, size: int) -> bytes:
    try:
        with segment.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError:
        return b""
