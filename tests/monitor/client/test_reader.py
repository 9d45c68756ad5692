from __future__ import annotations

import zlib
from pathlib import Path

from monitor.client.frames import CRC_FIELD, RECORD, encode_frame, frame_at
from monitor.client.layout import first_of, segments
from monitor.client.position import Position, read_position, write_position
from monitor.client.rows import Row
from monitor.client.spool import Spool
from monitor.protocol import Attempt, Gap
from tests.monitor.client.spooling import (
    begin,
    gaps_of,
    log,
    read_all,
    reader,
    steps_of,
    write_spool,
)


def test_a_reader_that_keeps_up_finds_each_record_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", "0-writer", segment_bytes=1000)
    spool.append(begin())
    source, position, steps = reader(spool.directory, held=spool.held), Position(), []
    for step in range(200):
        log(spool, step, loss=0.0)
        if step % 3 == 0:
            entries, position = source.read(position, 2**20, 1000)
            steps += steps_of(entries)
            assert steps == list(range(step + 1))
            assert source.read(position, 2**20, 1000) == ([], position)
    spool.close()


def test_half_a_frame_is_waited_for(tmp_path: Path) -> None:
    """Another thread may see a write before it is whole."""
    spool = write_spool(tmp_path, 3)
    (segment,) = segments(spool)
    data = segment.read_bytes()
    segment.write_bytes(data[:-5])
    source = reader(spool)
    entries, after = source.read(Position(), 2**20, 100)
    assert steps_of(entries) == [0, 1]
    segment.write_bytes(data)
    assert steps_of(source.read(after, 2**20, 100).entries) == [2]


def test_a_lost_segment_is_one_gap(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    lost, following = segments(spool)[2:4]
    lost.unlink()
    entries = read_all(spool)
    assert gaps_of(entries) == [(first_of(lost), first_of(following) - 1)]
    assert entries[-1].sequence == 101


def test_a_gap_that_was_found_has_the_same_checksum_each_time(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    segments(spool)[2].unlink()
    assert [entry.checksum for entry in read_all(spool)] == [entry.checksum for entry in read_all(spool)]


def test_a_whole_but_damaged_frame_at_the_end_of_a_dead_spool_is_a_gap(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 3)
    (segment,) = segments(spool)
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(bytes(data))
    assert gaps_of(read_all(spool, is_dead=True)) == [(4, 4)]
    assert gaps_of(read_all(spool)) == []


def test_a_damaged_segment_is_set_aside_as_it_was_found(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    damaged = segments(spool)[1]
    data = bytearray(damaged.read_bytes())
    data[300:400] = bytes(100)
    damaged.write_bytes(bytes(data))
    entries = read_all(spool)
    ((first, last),) = gaps_of(entries)
    (gap,) = (entry.payload for entry in entries if isinstance(entry.payload, Gap))
    assert gap.reason == "the spool is damaged"
    assert first_of(damaged) < first <= last < first_of(damaged) + 10
    assert (tmp_path / "quarantine" / damaged.name).read_bytes() == bytes(data)


def test_a_damaged_end_of_a_full_segment_is_a_gap_too(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    damaged, following = segments(spool)[1:3]
    data = damaged.read_bytes()
    damaged.write_bytes(data[:-150])
    entries = read_all(spool)
    ((_, last),) = gaps_of(entries)
    assert last == first_of(following) - 1
    assert (tmp_path / "quarantine" / damaged.name).exists()


def test_a_damaged_header_costs_nothing(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    damaged = segments(spool)[1]
    data = bytearray(damaged.read_bytes())
    data[5] ^= 255
    damaged.write_bytes(bytes(data))
    entries = read_all(spool)
    assert gaps_of(entries) == []
    assert steps_of(entries) == list(range(100))


def test_seeking_finds_the_chain_as_it_was_read_and_as_it_was_written(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    entries = read_all(spool)
    used = reader(spool)
    used.read(Position(), 2**30, 2**30)
    for source in (used, reader(spool)):
        for entry in entries:
            position = source.seek(entry.sequence)
            assert position.sequence == entry.sequence
            before = b"".join(CRC_FIELD.pack(each.checksum) for each in entries[: entry.sequence - 1])
            assert position.chain == zlib.crc32(before)
            (again,) = source.read(position, 1, 1).entries
            assert (again.sequence, again.checksum) == (entry.sequence, entry.checksum)


def test_seeking_what_is_not_there_any_more_ends_before_the_gap(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    lost, following = segments(spool)[2:4]
    middle = first_of(lost) + 1
    lost.unlink()
    source = reader(spool)
    position = source.seek(middle)
    assert (position.sequence, position.chain) == (middle, None)
    entries = source.read(position, 2**30, 2**30).entries
    assert gaps_of(entries) == [(middle, first_of(following) - 1)]


def test_seeking_beyond_the_end_ends_at_the_end(tmp_path: Path) -> None:
    source = reader(write_spool(tmp_path, 3))
    assert source.seek(1000).sequence == 5


def test_a_batch_never_spans_two_attempts(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    log(spool, 5, loss=0.0)
    spool.append(Attempt(sequence=1, time=1.0, number=1, parent=0, from_step=3))
    log(spool, 4, loss=0.0)
    spool.close()
    source = reader(spool.directory)
    first, after = source.read(Position(), 2**20, 100)
    second, _ = source.read(after, 2**20, 100)
    assert [entry.attempt for entry in first] == [0, 0]
    assert [entry.attempt for entry in second] == [1, 1]
    assert isinstance(second[0].payload, Attempt)


def test_what_is_held_in_memory_is_read_behind_the_files(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", "0-writer", limit=400)
    spool.append(begin())
    for step in range(10):
        log(spool, step, loss=0.0)
    source = reader(spool.directory, held=spool.held)
    entries, after = source.read(Position(), 2**20, 100)
    assert isinstance(entries[-1].payload, Gap)
    assert entries[-1].last == 11
    # What is lost from now on is another gap: the first may have been delivered.
    log(spool, 10, loss=0.0)
    (later,), after = source.read(after, 2**20, 100)
    assert (later.sequence, later.last) == (12, 12)
    spool.grew(-10_000)
    log(spool, 11, loss=0.0)
    (written,), _ = source.read(after, 2**20, 100)
    assert isinstance(written.payload, Row)
    assert [entry.checksum for entry in read_all(spool.directory)] == [
        entry.checksum for entry in [*entries, later, written]
    ]
    spool.close()


def test_a_position_survives_the_process_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    position = Position(17, 4711, 99, 2**32 - 1)
    assert read_position(tmp_path) is None
    write_position(tmp_path, position)
    assert read_position(tmp_path) == position
    noted = tmp_path / "acknowledged"
    data = bytearray(noted.read_bytes())
    data[-1] ^= 1
    noted.write_bytes(bytes(data))
    assert read_position(tmp_path) is None
    noted.write_bytes(b"")
    assert read_position(tmp_path) is None


def test_a_record_that_nobody_understands_is_a_gap(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 2)
    (segment,) = segments(spool)
    with segment.open("ab") as file:
        file.write(encode_frame(b"\x81\xa4type\xa6future", RECORD, 0, 4))
        file.write(encode_frame(frame_payload(segment), RECORD, 0, 5))
    assert gaps_of(read_all(spool)) == [(4, 4)]


def frame_payload(segment: Path) -> bytes:
    """The payload of the first record."""
    data = segment.read_bytes()
    header = frame_at(data, 0)
    assert header is not None
    frame = frame_at(data, header.end)
    assert frame is not None
    return frame.payload
