"""The spool's format, byte by byte.

A spool is a directory ``<directory>/spool/<run>/<writer>/`` with

    lock              held (flock) by the process that writes the spool or delivers it for a dead one
    <first>.segment   frames, end to end; <first> is the sequence of its first record, 16 digits
    acknowledged      how far the server has confirmed (``position.py``)
    refused           why the server takes nothing of this spool, where that is so; delete it to try again
    images/           PNG files named by their SHA-256, until they are delivered

All numbers are little-endian. A **frame** is

    offset  size  field
    0       4     magic: "GWF1" for a record, "GWL1" for a row, "GWS1" for the header of a segment
    4       4     crc: CRC-32 of everything after this field, to the end of the payload
    8       4     length of the payload
    12      4     attempt the record belongs to
    16      8     sequence of the record
    24      ...   payload

A segment begins with one header frame: its sequence is that of the segment's first record, its attempt the
one then running, its payload a ``SegmentHeader`` as MessagePack. Each record is one frame, written by one
``write(2)`` in append mode: a process killed at any instant leaves whole frames and at most one torn frame,
which has no frame after it.

The payload of a **record** is MessagePack: one of ``monitor.protocol`` as it goes over the wire or, for the
numbers of one ``log`` call, a ``NamedRow``, which spells out the names. The payload of a **row** leaves them
out:

    0       4     number of the set of names, given by the writer
    4       8     step, int64
    12      8     time, Unix seconds, float64
    20      8     mark, int64, -1 for none
    28      ...   ``width`` float64 values a name

A set of names is spelled out by its first, second and 16th row in a segment and by every 256th from then
on, so that no single damaged frame, and hardly a damaged page, takes the meaning of others with it.

A frame's crc is also its record's checksum on the wire, hence what the chain is made of.

Reading needs no index: a frame that fails its magic, its length or its crc is skipped to the next one that
passes, and since frames carry their sequence, what was lost in between is known exactly.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from monitor import protocol

RECORD = b"GWF1"
#: No single bit turns one of these into another: the crc does not cover them.
ROW = b"GWL1"
SEGMENT = b"GWS1"
FRAME_HEADER = struct.Struct("<4sIIIQ")
HEADER_SIZE = FRAME_HEADER.size
#: The checksum covers everything from here on.
CHECKED_FROM = 8
CRC_FIELD = struct.Struct("<I")
#: Nothing longer is written, so a damaged length field is found out without reading on for gigabytes.
MAX_PAYLOAD = 16 * 2**20
_MAGICS = frozenset((RECORD, ROW, SEGMENT))
_BEGINNING = re.compile(b"|".join((RECORD, ROW)))


class SegmentHeader(msgspec.Struct, kw_only=True):
    """Whose records these are, for whom, and the chain before the first of them."""

    run: str
    writer: str
    chain: int
    #: The server the run reported to, "" for none: no other is ever given its records unasked.
    server: str = ""


class NamedRow(msgspec.Struct, tag="row"):
    """The numbers of one ``log`` call, and what they are called."""

    #: A list of strings.
    names: msgspec.Raw
    width: Literal[1, 11]
    #: What rows without names call this set by.
    number: int
    #: From the step on as in a row.
    data: bytes


payload_decoder: msgspec.msgpack.Decoder[NamedRow | protocol.Record] = msgspec.msgpack.Decoder(
    NamedRow | protocol.Record
)
header_decoder = msgspec.msgpack.Decoder(SegmentHeader)


class Frame(NamedTuple):
    """A frame that passed its checks."""

    magic: bytes
    crc: int
    attempt: int
    sequence: int
    payload: bytes
    #: Its offset, and the one behind it.
    begin: int
    end: int


def seal(buffer: bytearray, magic: bytes, attempt: int, sequence: int) -> int:
    """Fill in the header of a buffer whose payload begins at ``HEADER_SIZE``; returns the crc."""
    FRAME_HEADER.pack_into(buffer, 0, magic, 0, len(buffer) - HEADER_SIZE, attempt, sequence)
    crc = zlib.crc32(memoryview(buffer)[CHECKED_FROM:])
    CRC_FIELD.pack_into(buffer, 4, crc)
    return crc


def encode_frame(payload: bytes, magic: bytes, attempt: int, sequence: int) -> bytes:
    buffer = bytearray(HEADER_SIZE) + payload
    seal(buffer, magic, attempt, sequence)
    return bytes(buffer)


def frame_at(data: bytes, offset: int) -> Frame | None:
    """The frame that begins at ``offset``, or None where there is no whole and sound one."""
    if len(data) - offset < HEADER_SIZE:
        return None
    magic, crc, length, attempt, sequence = FRAME_HEADER.unpack_from(data, offset)
    end = offset + HEADER_SIZE + length
    if magic not in _MAGICS or length > MAX_PAYLOAD or end > len(data):
        return None
    if zlib.crc32(data[offset + CHECKED_FROM : end]) != crc:
        return None
    return Frame(magic, crc, attempt, sequence, data[offset + HEADER_SIZE : end], offset, end)


def frame_after(data: bytes, offset: int) -> Frame | None:
    """The first sound record or row that begins at ``offset`` or later."""
    while found := _BEGINNING.search(data, offset):
        frame = frame_at(data, found.start())
        if frame is not None:
            return frame
        offset = found.start() + 1
    return None


def sound_frames(data: bytes) -> Iterator[Frame]:
    """All of them, whatever lies between."""
    frame = frame_at(data, 0) or frame_after(data, 1)
    while frame is not None:
        yield frame
        frame = frame_at(data, frame.end) or frame_after(data, frame.end + 1)


def is_torn(rest: bytes, sequence: int) -> bool:
    """Whether the bytes behind the last sound frame may be the beginning of one that was never whole.

    Such a record was never logged. Bytes that are no beginning were something else once.
    """
    if rest[:4] not in [magic[: len(rest)] for magic in _MAGICS]:
        return False
    told = rest[16:HEADER_SIZE]
    if told != sequence.to_bytes(8, "little")[: len(told)]:
        return False
    length = int.from_bytes(rest[8:12], "little")
    return len(rest) < HEADER_SIZE or len(rest) - HEADER_SIZE < length <= MAX_PAYLOAD
