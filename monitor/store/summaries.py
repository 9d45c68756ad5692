"""Summaries of blocks of points, and the tree they form: what a picture needs instead of the points.

The compacted points of a series and attempt are numbered from 0. Entry ``g`` of level 1 summarizes points
``64 g`` to ``64 g + 63``; entry ``g`` of a higher level summarizes entries ``8 g`` to ``8 g + 7`` of the
level below. Row ``r`` of a level in the table ``summary`` holds its entries ``64 r`` to ``64 r + 63``. A
level exists where the one below has more than one row. Only its last entry may stand for fewer points.

A row, little-endian, is

==============  ============================================================================
uint8           version of this format, 1
uint8           ``w``: 1 for scalars, 11 for distributions
uint16          how many entries follow
uint32          CRC-32 of the entries
bytes           the entries
==============  ============================================================================

and an entry

==============  ============================================================================
uint32          ``count`` of points
uint32          ``non_finite`` among them (of a distribution: records with one)
int64 * 2       ``min_step``, ``max_step``
float64 * 2     ``min_time``, ``max_time``
float64         ``last_time``, of the last point: the latest to come of those at ``max_step``
float64 * 2     ``min``, ``max`` of what is finite; NaN where nothing is
float64         ``mean`` of what is finite; of distributions the sum of ``n``
float64 * w     ``last``: the value of the last point
==============  ============================================================================

Rows of schema 0002 and before had no header. They are told by their length, and replaced as a series grows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from monitor.protocol import DISTRIBUTION_FIELDS
from monitor.store.chunks import ChunkError, Columns

#: Points of an entry of level 1, and entries of a row.
BLOCK = 64
#: Entries that one of the next level summarizes.
FANOUT = 8

VERSION = 1
_HEADER = struct.Struct("<BBHI")

_MIN, _MAX, _N = (DISTRIBUTION_FIELDS.index(field) for field in ("min", "max", "n"))

Entries = NDArray[np.void]


@cache
def entry_type(width: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("count", "<u4"),
            ("non_finite", "<u4"),
            ("min_step", "<i8"),
            ("max_step", "<i8"),
            ("min_time", "<f8"),
            ("max_time", "<f8"),
            ("last_time", "<f8"),
            ("min", "<f8"),
            ("max", "<f8"),
            ("mean", "<f8"),
            ("last", "<f8", (width,)),
        ]
    )


def count_entries(points: int, level: int) -> int:
    """How many entries a level has."""
    size: int = BLOCK * FANOUT ** (level - 1)
    return -(-points // size)


def top_level(points: int) -> int:
    """The level that is a single row."""
    level = 1
    while count_entries(points, level) > BLOCK:
        level += 1
    return level


def encode_entries(entries: Entries) -> bytes:
    """A row of entries."""
    content = entries.tobytes()
    return _HEADER.pack(VERSION, entries["last"].shape[1], len(entries), zlib.crc32(content)) + content


def decode_entries(rows: Sequence[bytes], width: int) -> Entries:
    """The entries of some rows; :class:`ChunkError` where one is not what was written."""
    # The bytes are joined, and not the arrays: NumPy compares all fields of every two of those.
    return np.frombuffer(b"".join(_content(row, width) for row in rows), entry_type(width))


def _content(row: bytes, width: int) -> memoryview:
    """The entries' bytes, checked."""
    size = entry_type(width).itemsize
    if len(row) % size == 0:
        return memoryview(row)
    if len(row) < _HEADER.size:
        raise ChunkError("a summary ends early")
    version, found_width, count, checksum = _HEADER.unpack_from(row)
    if (version, found_width) != (VERSION, width):
        raise ChunkError("unknown version of a summary")
    content = memoryview(row)[_HEADER.size :]
    if len(content) != count * size or zlib.crc32(content) != checksum:
        raise ChunkError("the checksum of a summary does not match")
    return content


def entries_of(columns: Columns) -> Entries:
    """An entry a point."""
    count, width = columns.values.shape
    entries = np.empty(count, entry_type(width))
    entries["count"] = 1
    entries["min_step"] = entries["max_step"] = columns.steps
    entries["min_time"] = entries["max_time"] = entries["last_time"] = columns.times
    entries["last"] = columns.values
    finite = np.isfinite(columns.values)
    entries["non_finite"] = ~finite.all(axis=1)
    clean = np.where(finite, columns.values, np.nan)
    if width == 1:
        entries["min"] = entries["max"] = entries["mean"] = clean[:, 0]
    else:
        entries["min"], entries["max"] = clean[:, _MIN], clean[:, _MAX]
        entries["mean"] = np.nan_to_num(clean[:, _N])
    return entries


def combine(entries: Entries, starts: NDArray[np.intp], axis: str = "step") -> Entries:
    """One entry for each run of entries that begins at one of ``starts``."""
    combined = np.empty(len(starts), entries.dtype)
    if not len(starts):
        return combined
    for field, reduce in (
        ("count", np.add),
        ("non_finite", np.add),
        ("min_step", np.minimum),
        ("max_step", np.maximum),
        ("min_time", np.minimum),
        ("max_time", np.maximum),
        ("min", np.fmin),
        ("max", np.fmax),
    ):
        combined[field] = reduce.reduceat(entries[field], starts)
    ends = np.append(starts[1:], len(entries)) - 1
    position = entries[f"max_{axis}"]
    if (position[1:] < position[:-1]).any():
        group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(entries))))
        ends = np.lexsort((position, group))[ends]
    combined["last"] = entries["last"][ends]
    combined["last_time"] = entries["last_time"][ends]
    combined["mean"] = _means(entries, starts, combined)
    return combined


def _means(entries: Entries, starts: NDArray[np.intp], combined: Entries) -> NDArray[np.float64]:
    if entries["last"].shape[1] > 1:
        return np.add.reduceat(entries["mean"], starts)
    weight = (entries["count"] - entries["non_finite"]).astype(np.float64)
    total = np.add.reduceat(weight, starts)
    # Weights are divided before they are applied: a sum of values near 1e308 would overflow.
    share = weight / np.repeat(np.maximum(total, 1), np.diff(np.append(starts, len(entries))))
    mean = np.add.reduceat(np.where(weight > 0, entries["mean"], 0) * share, starts)
    return np.where(total > 0, np.clip(mean, combined["min"], combined["max"]), np.nan)


def summarize(columns: Columns) -> Entries:
    """Level 1 of points that begin at a block's edge."""
    return combine(entries_of(columns), np.arange(0, len(columns), BLOCK))


def summarize_entries(entries: Entries) -> Entries:
    """The next level of entries that begin at a multiple of ``FANOUT``."""
    return combine(entries, np.arange(0, len(entries), FANOUT))
