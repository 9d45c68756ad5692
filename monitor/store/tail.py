"""The points of a batch as they lie in ``batch.payload`` until they are compacted. All numbers little-endian:

======================  ====================================================================
uint8                   version of this format, 2
uint8 * 3               0
uint32                  CRC-32 of all that follows
then groups, each
uint16                  ``width`` of a value: 1 for scalars, 11 for distributions
uint32                  ``columns``
uint32                  ``rows``
uint32 * columns        the series of each column
int64 * rows            steps
float64 * rows          times
float64 * all           ``columns * rows * width`` values, column after column, row after row
======================  ====================================================================

A column in which a value was refused is a group of its own, with the rows that remain. Version 1 had neither
the zeros nor the checksum; what it wrote is still read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.store.chunks import ChunkError, Columns

VERSION = 2
_START = struct.Struct("<B3xI")
_HEADER = struct.Struct("<HII")


@dataclass(frozen=True)
class Group:
    """Columns that share their rows. ``values`` is [columns, rows, width]."""

    series: NDArray[np.uint32]
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


def encode_tail(groups: Iterable[Group]) -> bytes:
    parts: list[bytes] = []
    for group in groups:
        columns, rows, width = group.values.shape
        parts += [
            _HEADER.pack(width, columns, rows),
            group.series.astype("<u4").tobytes(),
            group.steps.astype("<i8").tobytes(),
            group.times.astype("<f8").tobytes(),
            group.values.astype("<f8").tobytes(),
        ]
    body = b"".join(parts)
    return _START.pack(VERSION, zlib.crc32(body)) + body


def decode_tail(payload: bytes) -> Iterator[Group]:
    """The groups, as views of the payload."""
    at = _first_group(payload)
    while at < len(payload):
        if at + _HEADER.size > len(payload):
            raise ChunkError("a batch ends early")
        width, columns, rows = _HEADER.unpack_from(payload, at)
        at += _HEADER.size
        if at + 4 * columns + 16 * rows + 8 * columns * rows * width > len(payload):
            raise ChunkError("a batch ends early")
        series = np.frombuffer(payload, "<u4", columns, at)
        at += 4 * columns
        steps = np.frombuffer(payload, "<i8", rows, at)
        at += 8 * rows
        times = np.frombuffer(payload, "<f8", rows, at)
        at += 8 * rows
        values = np.frombuffer(payload, "<f8", columns * rows * width, at)
        at += values.nbytes
        yield Group(series, steps, times, values.reshape(columns, rows, width))


def _first_group(payload: bytes) -> int:
    """Where the groups begin."""
    if payload[:1] == b"\x01":
        return 1
    if len(payload) < _START.size or payload[:4] != bytes([VERSION, 0, 0, 0]):
        raise ChunkError("unknown version of a batch")
    if zlib.crc32(memoryview(payload)[_START.size :]) != _START.unpack_from(payload)[1]:
        raise ChunkError("the checksum of a batch does not match")
    return _START.size


def select_series(payloads: Iterable[bytes], wanted: Iterable[int] | None = None) -> dict[int, Columns]:
    """The points of each wanted series (or of all), in the order in which they came."""
    found: dict[int, list[Columns]] = {}
    keep = None if wanted is None else frozenset(wanted)
    for payload in payloads:
        for group in decode_tail(payload):
            for column, series in enumerate(group.series.tolist()):
                if keep is None or series in keep:
                    part = Columns(group.steps, group.times, group.values[column])
                    found.setdefault(series, []).append(part)
    return {series: Columns.join(parts) for series, parts in found.items()}
