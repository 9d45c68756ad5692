from __future__ import annotations

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitor.store.chunks import FULL, ChunkError, Columns, decode_chunk, encode_chunk
from monitor.store.summaries import decode_entries, encode_entries, summarize
from monitor.store.tail import Group, decode_tail, encode_tail, select_series

INT64 = st.integers(-(2**63), 2**63 - 1)
#: Every pattern of 64 bits is a float64: NaN with any payload, infinities, denormals.
BITS = st.integers(0, 2**64 - 1)


@st.composite
def columns(draw: st.DrawFn, widths: tuple[int, ...] = (1, 11)) -> Columns:
    count = draw(st.integers(1, 80))
    width = draw(st.sampled_from(widths))
    steps = draw(arrays.arrays(np.int64, count, elements=INT64))
    times = draw(arrays.arrays(np.uint64, count, elements=BITS)).view(np.float64)
    values = draw(arrays.arrays(np.uint64, (count, width), elements=BITS)).view(np.float64)
    return Columns(steps, times, values)


def bits_of(columns: Columns) -> tuple[bytes, bytes, bytes]:
    return columns.steps.tobytes(), columns.times.tobytes(), np.ascontiguousarray(columns.values).tobytes()


@given(columns())
def test_every_bit_of_every_number_comes_back(given: Columns) -> None:
    back = decode_chunk(encode_chunk(given))
    assert bits_of(back) == bits_of(given)
    assert back.values.shape == given.values.shape


@given(columns(), st.integers(0), st.integers(1, 255))
def test_a_damaged_byte_is_always_found(given: Columns, at: int, change: int) -> None:
    payload = bytearray(encode_chunk(given))
    payload[at % len(payload)] ^= change
    with pytest.raises(ChunkError):
        decode_chunk(bytes(payload))


@given(columns(), st.integers(0))
def test_a_chunk_that_ends_early_is_always_found(given: Columns, at: int) -> None:
    payload = encode_chunk(given)
    with pytest.raises(ChunkError):
        decode_chunk(payload[: at % len(payload)])


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_noise_is_no_chunk(noise: bytes) -> None:
    with pytest.raises(ChunkError):
        decode_chunk(noise)


@given(columns(), st.binary(max_size=64))
def test_a_forged_checksum_does_not_make_it_crash(given: Columns, noise: bytes) -> None:
    """Who can write the database can make the checksum match; even then it is an error, not a crash."""
    payload = encode_chunk(given)[:32] + noise
    forged = payload[:8] + struct.pack("<I", zlib.crc32(payload[12:])) + payload[12:]
    with pytest.raises(ChunkError):
        decode_chunk(forged)


def test_the_header_is_as_documented() -> None:
    payload = encode_chunk(Columns(np.array([7]), np.array([1.5]), np.array([[2.0]])))
    version, width, zero, count, _, *lengths = struct.unpack_from("<BBHII5I", payload)
    assert (version, width, zero, count) == (1, 1, 0, 1)
    assert len(payload) == 32 + sum(lengths)


def test_points_of_a_training_take_few_bytes() -> None:
    chance = np.random.default_rng(0)
    times = 1.7e9 + np.cumsum(0.02 + 0.002 * chance.random(FULL))
    noise = chance.normal(size=(FULL, 1))
    steps = np.arange(FULL)
    assert len(encode_chunk(Columns(steps, times, noise))) / FULL < 9.2
    single = noise.astype(np.float32).astype(np.float64)
    assert len(encode_chunk(Columns(steps, times, single))) / FULL < 6


@given(columns(widths=(1,)), columns(widths=(11,)))
def test_the_tail_keeps_every_bit(scalars: Columns, distributions: Columns) -> None:
    groups = [
        Group(np.array([series], np.uint32), part.steps, part.times, part.values[None])
        for series, part in ((3, scalars), (5, distributions), (3, scalars))
    ]
    found = select_series([encode_tail(groups), encode_tail(groups[:1])], [3, 5])
    assert bits_of(found[5]) == bits_of(distributions)
    assert bits_of(found[3]) == bits_of(Columns.join([scalars] * 3))
    assert set(select_series([encode_tail(groups)], [5])) == {5}
    assert set(select_series([encode_tail(groups)])) == {3, 5}


def tail_of(part: Columns) -> bytes:
    return encode_tail([Group(np.array([1], np.uint32), part.steps, part.times, part.values[None])])


@given(columns(), st.integers(0), st.integers(1, 255))
def test_a_damaged_byte_of_the_tail_is_always_found(part: Columns, at: int, change: int) -> None:
    payload = bytearray(tail_of(part))
    payload[at % len(payload)] ^= change
    with pytest.raises(ChunkError):
        list(decode_tail(bytes(payload)))


@given(columns(), st.integers(0))
def test_a_tail_that_ends_early_is_found(part: Columns, at: int) -> None:
    payload = tail_of(part)
    with pytest.raises(ChunkError):
        list(decode_tail(payload[: at % len(payload)]))


@given(columns())
def test_a_tail_of_the_first_version_is_still_read(part: Columns) -> None:
    old = b"\x01" + tail_of(part)[8:]
    assert bits_of(select_series([old])[1]) == bits_of(part)


@given(columns(), st.integers(0), st.integers(1, 255))
def test_a_damaged_byte_of_a_summary_is_always_found(part: Columns, at: int, change: int) -> None:
    entries = summarize(part)
    width = part.values.shape[1]
    row = bytearray(encode_entries(entries))
    assert decode_entries([bytes(row)], width).tobytes() == entries.tobytes()
    assert decode_entries([entries.tobytes()], width).tobytes() == entries.tobytes()
    row[at % len(row)] ^= change
    with pytest.raises(ChunkError):
        decode_entries([bytes(row)], width)


@given(st.binary(max_size=400), st.sampled_from([1, 11]))
def test_noise_is_no_tail_and_no_summary_that_crashes(noise: bytes, width: int) -> None:
    for decode in (lambda: list(decode_tail(noise)), lambda: decode_entries([noise], width)):
        with contextlib.suppress(ChunkError):
            decode()
