"""How far the server has confirmed a spool, across processes."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

from monitor.client.frames import CRC_FIELD
from monitor.client.layout import replace_file
from monitor.protocol import msgpack_encoder


class Position(msgspec.Struct, frozen=True):
    """Behind one record and before the next. In the file: CRC-32 of the rest (4 bytes), then MessagePack."""

    #: The segment, by the sequence in its name, and the offset in it.
    segment: int = 1
    offset: int = 0
    #: The number of the next record.
    sequence: int = 1
    #: The chain over all records before; None where it is not known any more.
    chain: int | None = 0


def read_position(spool: Path) -> Position | None:
    """None where there is none or it is damaged."""
    try:
        data = _path(spool).read_bytes()
        if len(data) < CRC_FIELD.size or CRC_FIELD.unpack_from(data)[0] != zlib.crc32(data[CRC_FIELD.size :]):
            return None
        return msgspec.msgpack.decode(data[CRC_FIELD.size :], type=Position)
    except (OSError, msgspec.MsgspecError):
        return None


def write_position(spool: Path, position: Position) -> None:
    """Best effort: without it more is sent again, which the server skips."""
    data = msgpack_encoder.encode(position)
    try:
        replace_file(_path(spool), CRC_FIELD.pack(zlib.crc32(data)) + data)
    except OSError:
        return


def _path(spool: Path) -> Path:
    return spool / "acknowledged"
