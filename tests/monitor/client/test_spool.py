from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from monitor import protocol
from monitor.client.frames import CRC_FIELD, MAX_PAYLOAD, frame_at
from monitor.client.layout import segments, take_lock
from monitor.client.rows import Row
from monitor.client.scan import read_header
from monitor.client.spool import Spool
from tests.monitor.client.spooling import (
    begin,
    gaps_of,
    log,
    only_segment,
    read_all,
    read_portions,
    steps_of,
    write_spool,
)


def test_records_come_back_in_order_over_many_segments(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000)
    assert len(segments(spool)) > 5
    entries = read_all(spool)
    assert [entry.sequence for entry in entries] == list(range(1, 102))
    assert steps_of(entries) == list(range(100))


def test_a_segment_says_whose_it_is_and_where_the_chain_stands(tmp_path: Path) -> None:
    spool = write_spool(tmp_path, 100, segment_bytes=1000, server="http://there")
    entries = read_all(spool)
    for segment in segments(spool):
        header = read_header(segment)
        frame = frame_at(segment.read_bytes(), 0)
        assert header is not None
        assert frame is not None
        before = b"".join(
            CRC_FIELD.pack(entry.checksum) for entry in entries if entry.sequence < frame.sequence
        )
        assert (header.run, header.writer, header.server) == ("run", "0-writer", "http://there")
        assert header.chain == zlib.crc32(before)


def test_the_chain_of_the_reader_is_that_of_the_protocol(tmp_path: Path) -> None:
    chain = 0
    for entries, after in read_portions(write_spool(tmp_path, 20)):
        for entry in entries:
            chain = zlib.crc32(CRC_FIELD.pack(entry.checksum), chain)
        assert after.chain == chain


def test_threads_share_a_spool_without_hole_or_repetition(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", "0-writer", segment_bytes=4000)

    def write() -> None:
        for step in range(200):
            log(spool, step, loss=1.0)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    entries = read_all(spool.directory)
    assert [entry.sequence for entry in entries] == list(range(1, 801))


def test_a_spool_belongs_to_one_process_and_one_run(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    assert take_lock(spool.directory) is None
    spool.close()
    lock = take_lock(spool.directory)
    assert lock is not None


def test_a_signal_handler_may_log_while_its_thread_is_logging(tmp_path: Path) -> None:
    """Python runs handlers between two bytecodes of the main thread: also in the middle of `append`."""
    spool = Spool(tmp_path, "run", "0-writer")
    handled = 0

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        log(spool, -1, loss=0.0)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        written = 0
        while handled < 50:
            log(spool, written, loss=0.0)
            written += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    spool.close()
    entries = read_all(spool.directory)
    assert gaps_of(entries) == []
    assert steps_of(entries).count(-1) == handled
    assert [step for step in steps_of(entries) if step >= 0] == list(range(written))


def test_beyond_its_limit_numbers_are_lost_and_counted_and_what_describes_the_run_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, "run", "0-writer", limit=2000)
    spool.append(begin())
    for step in range(100):
        log(spool, step, loss=0.0)
    spool.append(protocol.Declare(sequence=1, name="loss"))
    dropped = spool.dropped
    assert 50 < dropped < 100
    spool.grew(-10_000)
    log(spool, 100, loss=0.0)
    spool.close()
    entries = read_all(spool.directory)
    kept = 100 - dropped
    assert steps_of(entries) == [*range(kept), 100]
    assert gaps_of(entries) == [(kept + 2, 101)]
    assert [type(entry.payload) for entry in entries[-3:]] == [protocol.Gap, protocol.Declare, Row]
    assert [entry.sequence for entry in entries[-3:]] == [kept + 2, 102, 103]
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


def test_a_record_too_large_for_any_frame_is_lost_and_the_next_one_is_not(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    spool.append(protocol.End(sequence=1, time=1.0, state="failed", message="x" * (MAX_PAYLOAD + 1)))
    log(spool, 1, loss=0.0)
    spool.close()
    entries = read_all(spool.directory)
    assert gaps_of(entries) == [(2, 2)]
    assert steps_of(entries) == [1]


def test_a_record_that_cannot_be_encoded_takes_no_number(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    with pytest.raises(UnicodeEncodeError):
        spool.append(protocol.End(sequence=1, time=1.0, state="failed", message="\ud800"))
    spool.append(begin())
    spool.close()
    assert [entry.sequence for entry in read_all(spool.directory)] == [1]


def test_a_directory_that_cannot_be_written_raises_nothing_and_keeps_what_describes_the_run(
    tmp_path: Path,
) -> None:
    (tmp_path / "spool").write_text("a file where a directory should be")
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    log(spool, 0, loss=0.0)
    assert spool.dropped == 1
    (tmp_path / "spool").unlink()
    log(spool, 1, loss=0.0)
    spool.close()
    entries = read_all(spool.directory)
    assert [(type(e.payload), e.sequence) for e in entries] == [
        (protocol.Begin, 1),
        (protocol.Gap, 2),
        (Row, 3),
    ]


FULL_DISK = """
import logging, resource, sys
from pathlib import Path
import monitor
from tests.monitor.client.spooling import begin, log
from monitor.client.spool import Spool

spool = Spool(Path(sys.argv[1]), "run", "0-writer")
spool.append(begin())
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3001, hard))
for step in range(100):
    log(spool, step, loss=0.0)
print(spool.dropped)
if sys.argv[2] == "recovers":
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log(spool, 100, loss=0.0)
spool.close()
"""


@pytest.mark.parametrize("ending", ["recovers", "stays full"])
def test_a_full_disk_costs_counted_numbers_and_one_warning(tmp_path: Path, ending: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), ending], capture_output=True, text=True, check=True
    )
    dropped = int(done.stdout)
    assert 0 < dropped < 100
    assert done.stderr.count("File too large") + done.stderr.count("No space left") == 1
    spool = tmp_path / "spool" / "run" / "0-writer"
    entries = read_all(spool)
    kept = 100 - dropped
    if ending == "recovers":
        assert steps_of(entries) == [*range(kept), 100]
        assert gaps_of(entries) == [(kept + 2, 101)]
    else:
        assert steps_of(entries) == list(range(kept))
        assert gaps_of(entries) == []
    assert not (tmp_path / "quarantine").exists()
    assert only_segment(spool).stat().st_size > 0
