"""A chunk: up to 4096 points of one series, compressed, every bit of every value kept.

=====  ========  ======================================================================================
at     type      content
=====  ========  ======================================================================================
0      uint8     version of this format, 1
1      uint8     ``width`` of a value: 1 for scalars, 11 for distributions
2      uint16    0
4      uint32    ``count`` of points
8      uint32    CRC-32 of all that follows
12     uint32*5  lengths of the five parts
32     bytes     the parts, one after the other
=====  ========  ======================================================================================

Each part is a Zstandard frame. What is compressed is an array of ``count`` (or ``count * width``) words of 64
bits, turned so that the lowest bytes of all words come first, then the second lowest, and so on ("shuffled").

1. Steps: int64, twice replaced by their differences (the first from 0) modulo 2**64, then zigzag-coded
   (0, -1, 1, -2, ... become 0, 1, 2, 3, ...).
2. Times: the bits of each float64, taken for an int64, coded as steps are.
3. Values: the bits of each float64, column after column. Part 3 has bytes 0 to 5 of the words, part 4 byte 6,
   and part 5 byte 7: noise, the top of the mantissa, and sign with exponent have statistics of their own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from threading import local
from typing import Self

import numpy as np
import zstandard
from numpy.typing import NDArray

VERSION = 1
#: Points of a full chunk.
FULL = 4096
LEVEL = 3
_HEADER = struct.Struct("<BBHII5I")
_CRC_STARTS = 12
#: Value bytes that each of the three value parts holds.
_PLANES = (6, 1, 1)
_MAX_WIDTH = 64
_MAX_COUNT = 2**24

Words = NDArray[np.uint64]


class ChunkError(Exception):
    """The bytes are not what was written."""


@dataclass(frozen=True)
class Columns:
    """Points of one series. ``values`` is [points, width]."""

    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        return type(self)(self.steps[rows], self.times[rows], self.values[rows])

    @classmethod
    def join(cls, parts: Sequence[Columns]) -> Self:
        return cls(
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.values for part in parts]),
        )

    def in_order(self) -> Self:
        """By step; points of the same step stay in the order in which they came."""
        if (self.steps[1:] >= self.steps[:-1]).all():
            return self
        return self[np.argsort(self.steps, kind="stable")]


class _Codecs(local):
    """Zstandard's contexts may not be shared between threads, and are dear to make."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_codecs = _Codecs()


def encode_chunk(columns: Columns) -> bytes:
    count, width = columns.values.shape
    values = _shuffle(np.ascontiguousarray(columns.values.T, "<f8").view("<u8").ravel())
    times = np.ascontiguousarray(columns.times, "<f8").view("<u8")
    streams = [
        _shuffle(_delta_of_delta(np.ascontiguousarray(columns.steps, "<i8").view("<u8"))),
        _shuffle(_delta_of_delta(times)),
        *np.split(values, np.cumsum(_PLANES)[:-1]),
    ]
    parts = [_codecs.compress(stream.tobytes()) for stream in streams]
    body = struct.pack("<5I", *map(len, parts)) + b"".join(parts)
    return struct.pack("<BBHII", VERSION, width, 0, count, zlib.crc32(body)) + body


def decode_chunk(payload: bytes) -> Columns:
    if len(payload) < _HEADER.size:
        raise ChunkError("a chunk ends early")
    version, width, zero, count, checksum, *lengths = _HEADER.unpack_from(payload)
    if version != VERSION or zero != 0:
        raise ChunkError("unknown version of a chunk")
    if zlib.crc32(memoryview(payload)[_CRC_STARTS:]) != checksum:
        raise ChunkError("the checksum of a chunk does not match")
    if not 1 <= width <= _MAX_WIDTH or not 1 <= count <= _MAX_COUNT:
        raise ChunkError("a chunk of impossible size")
    if _HEADER.size + sum(lengths) != len(payload):
        raise ChunkError("a chunk whose parts do not fill it")
    sizes = [8 * count, 8 * count, *(planes * count * width for planes in _PLANES)]
    streams = []
    at = _HEADER.size
    for length, size in zip(lengths, sizes, strict=True):
        streams.append(_decompress(payload[at : at + length], size))
        at += length
    values = _unshuffle(b"".join(streams[2:])).view("<f8").reshape(width, count)
    return Columns(
        _undo_delta_of_delta(_unshuffle(streams[0])).view("<i8"),
        _undo_delta_of_delta(_unshuffle(streams[1])).view("<f8"),
        values.T,
    )


def _decompress(frame: bytes, size: int) -> bytes:
    try:
        if zstandard.get_frame_parameters(frame).content_size != size:
            raise ChunkError("a part of a chunk has the wrong size")
        stream = _codecs.decompress(frame, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ChunkError(f"a part of a chunk cannot be read: {error}") from None
    if len(stream) != size:
        raise ChunkError("a part of a chunk has the wrong size")
    return stream


def _shuffle(words: Words) -> NDArray[np.uint8]:
    return np.ascontiguousarray(words.view(np.uint8).reshape(-1, 8).T)


def _unshuffle(stream: bytes) -> Words:
    return np.ascontiguousarray(np.frombuffer(stream, np.uint8).reshape(8, -1).T).view("<u8").ravel()


def _delta_of_delta(words: Words) -> Words:
    zero = np.zeros(1, "<u8")
    signed = np.diff(np.diff(words, prepend=zero), prepend=zero).view("<i8")
    return ((signed << 1) ^ (signed >> 63)).view("<u8")


def _undo_delta_of_delta(coded: Words) -> Words:
    words = (coded >> np.uint64(1)) ^ -(coded & np.uint64(1))
    words = np.cumsum(words, dtype="<u8")
    return np.cumsum(words, dtype="<u8")
