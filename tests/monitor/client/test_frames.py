from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.client.frames import HEADER_SIZE, RECORD, encode_frame, frame_after, frame_at, is_torn
from tests.monitor.client.spooling import gaps_of, only_segment, read_all, steps_of, write_spool

#: The first, second and 16th row spell their names out.
ROWS = 17


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_spool(tmp_path_factory.mktemp("written"), ROWS)


@contextmanager
def copy_with(written: Path, data: bytes) -> Iterator[Path]:
    """The spool as it would be with other bytes in its segment."""
    with tempfile.TemporaryDirectory() as directory:
        spool = Path(directory) / "spool" / "run" / written.name
        shutil.copytree(written, spool)
        only_segment(spool).write_bytes(data)
        yield spool


def ends_of_frames(data: bytes) -> list[int]:
    ends, at = [], 0
    while frame := frame_at(data, at):
        ends.append(frame.end)
        at = frame.end
    assert at == len(data)
    return ends


@given(payload=st.binary(max_size=300), attempt=st.integers(0, 2**32 - 1), sequence=st.integers(1, 2**53))
def test_a_frame_gives_back_what_was_put_in(payload: bytes, attempt: int, sequence: int) -> None:
    data = encode_frame(payload, RECORD, attempt, sequence)
    frame = frame_at(b"x" + data + b"y", 1)
    assert frame is not None
    assert (frame.payload, frame.attempt, frame.sequence) == (payload, attempt, sequence)
    assert (frame.begin, frame.end) == (1, 1 + HEADER_SIZE + len(payload))


@given(payload=st.binary(max_size=100), bit=st.integers(0))
def test_no_flipped_bit_goes_unseen(payload: bytes, bit: int) -> None:
    data = bytearray(encode_frame(payload, RECORD, 3, 7))
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    assert frame_at(bytes(data), 0) is None


def test_a_spool_cut_at_any_byte_keeps_every_whole_record(written: Path) -> None:
    data = only_segment(written).read_bytes()
    ends = ends_of_frames(data)
    with copy_with(written, data) as spool:
        for cut in range(len(data), -1, -1):
            os.truncate(only_segment(spool), cut)
            whole = sum(end <= cut for end in ends)
            entries = read_all(spool, is_dead=True)
            # The first frame is the segment's header, the second the run's beginning.
            assert len(entries) == max(whole - 1, 0)
            assert steps_of(entries) == list(range(max(whole - 2, 0)))
            assert gaps_of(entries) == []


@settings(max_examples=150, deadline=None)
@given(bit=st.integers(0))
def test_one_flipped_bit_costs_one_record_and_says_which(written: Path, bit: int) -> None:
    data = bytearray(only_segment(written).read_bytes())
    ends = ends_of_frames(bytes(data))
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    hit = sum(end <= bit // 8 for end in ends)
    # A last frame that claims to be longer than it is looks like one that was never whole.
    is_torn = hit == len(ends) - 1 and 8 <= bit // 8 - ends[-2] < 12
    with copy_with(written, bytes(data)) as spool:
        entries = read_all(spool, is_dead=True)
        numbers = [n for entry in entries for n in range(entry.sequence, entry.last + 1)]
        assert numbers == list(range(1, ROWS + 2 - (is_torn and not gaps_of(entries))))
        if hit == 0:
            assert gaps_of(entries) == []
        elif not is_torn:
            assert gaps_of(entries) == [(hit, hit)]
            assert (spool.parents[2] / "quarantine" / only_segment(spool).name).exists()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_zeroed_page_costs_what_lay_in_it(written: Path, choice: st.DataObject) -> None:
    data = only_segment(written).read_bytes()
    ends = ends_of_frames(data)
    start = choice.draw(st.integers(0, ends[-2] - 1))
    end = choice.draw(st.integers(start + 1, ends[-2]))
    hit = [n for n in range(len(ends)) if ([0, *ends][n] < end and ends[n] > start)]
    with copy_with(written, data[:start] + bytes(end - start) + data[end:]) as spool:
        entries = read_all(spool, is_dead=True)
    lost = {n for first, last in gaps_of(entries) for n in range(first, last + 1)}
    damaged = {n for n in hit if n > 0}
    if {2, 3} <= damaged:
        # Both rows that spelled the names out; the next to do so is the last but one.
        damaged |= set(range(4, ROWS + 2)) if ROWS in damaged else set()
    # A stretch that held nothing but zeros costs nothing.
    assert lost <= damaged
    kept = {entry.sequence for entry in entries} - lost
    assert kept | lost == set(range(1, ROWS + 2))


def test_a_tail_is_torn_where_it_is_the_beginning_of_the_next_frame_and_damaged_where_it_is_not() -> None:
    frame = encode_frame(b"payload", RECORD, 3, 258)
    assert all(is_torn(frame[:cut], 258) for cut in range(1, len(frame)))
    assert not is_torn(frame, 258)
    assert not any(is_torn(frame[:cut], 257) for cut in range(17, len(frame)))
    assert not any(is_torn(bytes(size), 258) for size in range(1, 100))


def test_a_record_that_spells_a_frame_is_not_taken_for_one() -> None:
    inner = encode_frame(b"inner", RECORD, 0, 9)[:-1]
    outer = encode_frame(inner, RECORD, 0, 1)
    behind = encode_frame(b"behind", RECORD, 0, 2)
    found = frame_after(b"rubbish" + outer + behind, 0)
    assert found is not None
    assert found.payload == inner
