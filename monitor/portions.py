"""How points travel to :func:`monitor.read`: one definition for the service and the reader.

A stream of frames, each a little-endian uint32 with the length of the MessagePack that follows: one ``Head``,
any number of ``Portion``, and at the end a frame that holds nil, so that half a stream is known as half.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

MEDIA_TYPE = "application/vnd.ganwatch.portions"
VERSION = 1
_LENGTH = struct.Struct("<I")


class SeriesHead(Struct, kw_only=True):
    name: str
    kind: str


class Head(Struct, tag="head", kw_only=True):
    version: int = VERSION
    run: str
    series: list[SeriesHead]


class Portion(Struct, tag="portion", kw_only=True):
    """Points of ``series`` (an index into the head's) in one attempt, little-endian."""

    series: int
    attempt: int
    #: int64
    step: bytes
    #: float64, Unix seconds
    time: bytes
    #: float64: a number a point, or the fields of a distribution
    values: bytes


Frame = Head | Portion
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Head | Portion | None] = msgspec.msgpack.Decoder(Head | Portion | None)


def encode_frame(frame: Frame | None) -> bytes:
    body = _encoder.encode(frame)
    return _LENGTH.pack(len(body)) + body


def decode_frames(parts: Iterable[bytes]) -> Iterator[Frame]:
    """The frames of a stream that comes in parts of any size. Raises ValueError where it is not whole."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        while len(waiting) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(waiting)
            if len(waiting) < _LENGTH.size + length:
                break
            frame = _decoder.decode(memoryview(waiting)[_LENGTH.size : _LENGTH.size + length])
            del waiting[: _LENGTH.size + length]
            if frame is None:
                return
            yield frame
    raise ValueError("the points ended in the middle")
