from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import monitor
from monitor import protocol
from monitor.client import delivery
from monitor.client.layout import segments, spool_directory
from monitor.client.position import read_position
from monitor.client.spool import Spool
from monitor.client.sync import sync
from tests.monitor.client.loopback import Answer, Service
from tests.monitor.client.spooling import begin, write_spool


def offline(directory: Path, run: str, steps: int = 10) -> None:
    with monitor.init(id=run, directory=directory, server="") as logged:
        for step in range(steps):
            logged.log({"loss": step / 2}, step=step)
        logged.log_images("samples", np.zeros((4, 8, 8), np.uint8), step=steps)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BATCH_BYTES", 10_000)


def losses(rows: int) -> list[tuple[int, float]]:
    return [(step, step / 2) for step in range(rows)]


def test_what_was_logged_without_a_server_is_delivered_later_and_then_gone(
    tmp_path: Path, service: Service
) -> None:
    offline(tmp_path, "one")
    offline(tmp_path, "two")
    reports = sync(tmp_path, service.url, "secret")
    assert [(report.run, report.delivered, report.lost, report.obstacle) for report in reports] == [
        ("one", 13, 0, ""),
        ("two", 13, 0, ""),
    ]
    for run in ("one", "two"):
        assert service.points(run, "loss") == losses(10)
        assert service.records(run, protocol.End)[0].state == "finished"
    assert len(service.images) == 1
    assert all(batch.replayed for batch in service.batches)
    assert set(service.tokens) == {"Bearer secret"}
    assert list((tmp_path / "spool").iterdir()) == []
    assert sync(tmp_path, service.url) == []


def test_an_interrupted_sync_goes_on_where_it_stopped(
    tmp_path: Path, service: Service, small_batches: None
) -> None:
    spool = write_spool(tmp_path, 1000)
    service.faults.extend([None, None, "drop"])
    (first,) = sync(tmp_path, service.url)
    assert first.obstacle
    assert first.delivered > 0
    position = read_position(spool)
    assert position is not None
    before = len(service.batches)
    (second,) = sync(tmp_path, service.url)
    assert second.obstacle == ""
    assert first.delivered + second.delivered == 1001
    assert service.batches[before].first == position.sequence
    assert service.points("run", "loss") == losses(1000)


def test_without_its_note_a_sync_asks_the_server_where_to_go_on(
    tmp_path: Path, service: Service, small_batches: None
) -> None:
    spool = write_spool(tmp_path, 1000, segment_bytes=5000)
    before = len(segments(spool))
    service.faults.extend([None, None, None, Answer(503, "busy")])
    sync(tmp_path, service.url)
    assert len(segments(spool)) < before
    (spool / "acknowledged").unlink()
    (report,) = sync(tmp_path, service.url)
    assert report.obstacle == ""
    assert service.points("run", "loss") == losses(1000)
    assert service.records("run", protocol.Gap) == []


def test_a_spool_that_a_living_process_writes_is_left_alone(tmp_path: Path, service: Service) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    assert sync(tmp_path, service.url) == []
    spool.close()
    assert len(sync(tmp_path, service.url)) == 1


def test_a_server_that_is_away_costs_nothing(tmp_path: Path, service: Service) -> None:
    spool = write_spool(tmp_path, 10)
    service.close()
    (report,) = sync(tmp_path, service.url)
    assert (report.delivered, report.obstacle != "") == (0, True)
    assert len(segments(spool)) == 1


def test_one_spool_that_cannot_be_delivered_does_not_keep_back_the_next(
    tmp_path: Path, service: Service
) -> None:
    write_spool(tmp_path, 10, run="one")
    write_spool(tmp_path, 10, run="two")
    service.faults.extend([None, Answer(409, "diverged")])
    refused, delivered = sync(tmp_path, service.url)
    assert "diverged" in refused.obstacle
    assert delivered.obstacle == ""
    # It stays refused until a person has looked at it.
    (again,) = sync(tmp_path, service.url)
    assert "diverged" in again.obstacle
    (spool_directory(tmp_path, "one", "0-writer") / "refused").unlink()
    (forced,) = sync(tmp_path, service.url)
    assert forced.obstacle == ""


def test_damage_is_reported_and_the_rest_delivered(tmp_path: Path, service: Service) -> None:
    spool = write_spool(tmp_path, 100)
    (segment,) = segments(spool)
    data = bytearray(segment.read_bytes())
    data[1000:1010] = bytes(10)
    segment.write_bytes(bytes(data))
    (report,) = sync(tmp_path, service.url)
    assert (report.delivered, report.lost) == (100, 1)
    assert len(service.points("run", "loss")) == 99
    assert (tmp_path / "quarantine" / "run" / "0-writer" / segment.name).exists()


def test_an_address_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no server"):
        sync(tmp_path, "")


DIES = """
import os, signal, sys, threading
import monitor
run = monitor.init(id="dead", server=sys.argv[1] or None, directory=sys.argv[2])
for step in range(1000):
    run.log({"loss": step / 2}, step=step)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("had_server", [True, False])
def test_the_next_run_on_the_disk_delivers_what_a_killed_one_left(
    tmp_path: Path, service: Service, had_server: bool
) -> None:
    server = service.url if had_server else ""
    subprocess.run([sys.executable, "-c", DIES, server, str(tmp_path)], check=False, cwd=os.getcwd())
    with monitor.init(id="next", server=service.url, directory=tmp_path) as run:
        service.wait_until(lambda: len(service.points("dead", "loss")) == 1000)
        run.log({"loss": 1.0}, step=1)
    assert service.points("dead", "loss") == losses(1000)
    assert service.points("next", "loss") == [(1, 1.0)]
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_was_meant_for_another_server_is_not_given_away(tmp_path: Path, service: Service) -> None:
    write_spool(tmp_path, 10, run="secret", server="http://another")
    write_spool(tmp_path, 10, run="zebra", server=service.url)
    with monitor.init(id="next", server=service.url, directory=tmp_path):
        service.wait_until(lambda: len(service.points("zebra", "loss")) == 10)
    assert set(service.runs) == {"next", "zebra"}
    # Asked to, `sync` does it.
    assert [report.run for report in sync(tmp_path, service.url)] == ["secret"]
