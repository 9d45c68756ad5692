"""One spool, one service on the loopback, and everything that can happen between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor import protocol
from monitor.client import delivery as client_delivery
from monitor.client.address import Address
from monitor.client.delivery import Delivery, Outcome
from monitor.client.images import ImageStore, digest_of, encode_grid
from monitor.client.layout import first_of, segments
from monitor.client.position import Position, read_position
from monitor.client.rows import Columns
from monitor.client.spool import Spool
from monitor.client.transport import HttpTransport
from tests.monitor.client.loopback import Answer, Service
from tests.monitor.client.spooling import begin, log, read_all, reader, write_spool

Deliver = Callable[..., Delivery]


@pytest.fixture
def deliver(service: Service) -> Iterator[Deliver]:
    transport = HttpTransport(Address(service.url, "secret"))

    def make(spool: Path, position: Position | None = None, **options: Any) -> Delivery:
        run, writer = spool.parent.name, spool.name
        return Delivery(
            run, writer, spool, reader(spool), transport, position=position or Position(), **options
        )

    yield make
    transport.close()


def run_through(delivery: Delivery, steps: int = 1000) -> list[Outcome]:
    """Until there is nothing left to do."""
    outcomes = []
    for _ in range(steps):
        outcomes.append(delivery.step())
        if outcomes[-1] in (Outcome.IDLE, Outcome.STOPPED):
            return outcomes
    raise AssertionError("it does not come to an end")


def losses(rows: int) -> list[tuple[int, float]]:
    return [(step, step / 2) for step in range(rows)]


def test_everything_arrives_once_and_in_order(tmp_path: Path, service: Service, deliver: Deliver) -> None:
    delivery = deliver(write_spool(tmp_path, 300))
    assert run_through(delivery) == [Outcome.DELIVERED, Outcome.IDLE]
    assert service.points("run", "loss") == losses(300)
    assert (delivery.confirmed, delivery.lost) == (301, 0)
    assert set(service.tokens) == {"Bearer secret"}


@pytest.mark.parametrize("fault", ["drop", "ignore", Answer(503, "busy"), Answer(507, "disk-full")])
def test_a_lost_reply_neither_loses_nor_doubles_a_point(
    tmp_path: Path, service: Service, deliver: Deliver, fault: str | Answer
) -> None:
    delivery = deliver(write_spool(tmp_path, 300))
    service.faults.extend([fault, fault])
    assert [delivery.step() for _ in range(4)] == [
        Outcome.UNREACHABLE,
        Outcome.UNREACHABLE,
        Outcome.DELIVERED,
        Outcome.IDLE,
    ]
    assert service.points("run", "loss") == losses(300)


def test_a_server_that_is_not_there_is_unreachable(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    delivery = deliver(write_spool(tmp_path, 1))
    service.close()
    assert delivery.step() is Outcome.UNREACHABLE
    assert delivery.obstacle


def test_a_delivery_that_knows_less_than_the_server_is_told_where_to_go_on(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = write_spool(tmp_path, 300, segment_bytes=2000)
    run_through(deliver(spool))
    before = len(service.batches)
    again = deliver(spool)
    assert again.heartbeat() is Outcome.TURNED
    assert again.confirmed == 301
    assert again.step() is Outcome.IDLE
    assert len(service.batches) == before + 1


def test_a_server_that_was_set_back_is_given_again_what_it_lost(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    delivery = deliver(write_spool(tmp_path, 300))
    run_through(delivery)
    writer = service.writer("run")
    writer.high_water = 100
    for sequence in range(101, 302):
        del writer.records[sequence], writer.chains[sequence]
    assert delivery.heartbeat() is Outcome.TURNED
    run_through(delivery)
    assert service.points("run", "loss") == losses(300)


def test_a_server_that_lost_its_database_gets_all_that_is_kept_and_a_gap_for_the_rest(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = write_spool(tmp_path, 300, segment_bytes=2000)
    delivery = deliver(spool)
    run_through(delivery)
    kept = segments(spool)
    assert [first_of(segment) for segment in kept] == [1, first_of(kept[-1])]
    service.forget()
    assert delivery.heartbeat() is Outcome.TURNED
    run_through(delivery)
    assert [type(record) for record in service.records("run")[:2]] == [protocol.Begin, dict]
    (gap,) = service.records("run", protocol.Gap)
    assert gap.last == first_of(kept[-1]) - 1
    assert service.points("run", "loss") == [
        pair for pair in losses(300) if not gap.sequence <= pair[0] + 2 <= gap.last
    ]


def test_segments_are_deleted_when_they_are_delivered_and_the_position_is_noted(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = write_spool(tmp_path, 300, segment_bytes=2000)
    before = sum(segment.stat().st_size for segment in segments(spool))
    freed: list[int] = []
    delivery = deliver(spool, freed=freed.append)
    run_through(delivery)
    after = sum(segment.stat().st_size for segment in segments(spool))
    assert len(segments(spool)) == 2
    assert sum(freed) == before - after
    assert read_position(spool) == delivery.position


def test_other_content_under_known_numbers_stops_the_delivery_and_keeps_the_spool(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    run_through(deliver(write_spool(tmp_path, 300)))
    other = write_spool(tmp_path / "other", 300, attempt=1)
    delivery = deliver(other)
    assert delivery.step() is Outcome.STOPPED
    assert "diverged" in delivery.obstacle
    assert (other / "refused").read_text() == delivery.obstacle


def test_two_turns_in_a_row_are_no_progress(tmp_path: Path, service: Service, deliver: Deliver) -> None:
    delivery = deliver(write_spool(tmp_path, 3))
    service.faults.extend([Answer(409, "gap", expected=2)] * 3)
    assert [delivery.step() for _ in range(3)] == [Outcome.TURNED, Outcome.UNREACHABLE, Outcome.UNREACHABLE]


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_is_told_apart_from_a_server_that_is_away(
    tmp_path: Path, service: Service, deliver: Deliver, status: int
) -> None:
    delivery = deliver(write_spool(tmp_path, 3))
    service.faults.append(Answer(status, "unauthorized"))
    assert delivery.step() is Outcome.UNAUTHORIZED
    assert delivery.step() is Outcome.DELIVERED


def test_a_stranger_on_the_port_is_not_taken_for_the_service(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    delivery = deliver(write_spool(tmp_path, 3))
    service.faults.append(Answer(200, "hello"))
    assert delivery.step() is Outcome.UNREACHABLE
    assert delivery.step() is Outcome.DELIVERED


def test_the_one_record_that_a_server_refuses_does_not_hold_up_the_others(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    for step in range(100):
        log(spool, step, loss=step / 2)
        if step == 57:
            spool.append(protocol.Declare(sequence=1, name="poison"))
    spool.close()

    def refuse(batch: protocol.Batch) -> None:
        if any(isinstance(record, protocol.Declare) for record in batch.records):
            raise Answer(422, "invalid")

    service.judge = refuse
    delivery = deliver(spool.directory)
    run_through(delivery)
    assert service.points("run", "loss") == losses(100)
    (gap,) = service.records("run", protocol.Gap)
    assert (gap.sequence, gap.last) == (60, 60)
    assert "invalid it is" in gap.reason
    assert delivery.lost == 1
    # The cure is as quick as halving, and large batches come back.
    assert len(service.batches) < 30


def test_a_body_that_is_too_large_is_sent_in_parts(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    def refuse(batch: protocol.Batch) -> None:
        if batch.last - batch.first > 40:
            raise Answer(413, "too-large")

    service.judge = refuse
    run_through(deliver(write_spool(tmp_path, 300)))
    assert service.points("run", "loss") == losses(300)
    assert service.records("run", protocol.Gap) == []


def test_rejected_values_are_counted_and_told_once(
    tmp_path: Path, service: Service, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    service.reject = lambda _: [protocol.Rejection(key="loss", value="1e999", reason="too bad")] * 3
    delivery = deliver(write_spool(tmp_path, 3))
    run_through(delivery)
    assert delivery.rejected == 3
    assert [record.getMessage() for record in caplog.records] == [
        "the server does not store loss = 1e999: too bad"
    ]


def write_with_images(directory: Path, shades: list[int]) -> Spool:
    spool = Spool(directory, "run", "0-writer")
    spool.append(begin())
    for step, shade in enumerate(shades):
        data = encode_grid(np.full((1, 4, 4, 1), shade, np.uint8))
        ImageStore(spool.directory).add(digest_of(data), data)
        spool.append(protocol.Image(sequence=1, time=1.0, name="samples", step=step, digest=digest_of(data)))
    spool.close()
    return spool


def test_images_arrive_before_what_refers_to_them_and_are_deleted_afterwards(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = write_with_images(tmp_path, [1, 2, 1])

    def insist(batch: protocol.Batch) -> None:
        for record in batch.records:
            if isinstance(record, protocol.Image) and record.digest not in service.images:
                raise Answer(400, "image-first")

    service.judge = insist
    service.faults.extend(["drop", None, None, "drop"])
    outcomes = run_through(deliver(spool.directory))
    assert outcomes.count(Outcome.UNREACHABLE) == 2
    assert len(service.records("run", protocol.Image)) == 3
    assert len(service.images) == 2
    assert list((spool.directory / "images").iterdir()) == []


def test_an_image_that_the_server_refuses_does_not_hold_up_the_numbers(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = write_with_images(tmp_path, [1])
    service.faults.append(Answer(415, "no-image"))
    assert run_through(deliver(spool.directory)) == [Outcome.DELIVERED, Outcome.IDLE]
    assert len(service.records("run", protocol.Image)) == 1


def test_an_attempt_is_never_mixed_with_another(tmp_path: Path, service: Service, deliver: Deliver) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    log(spool, 1, loss=1.0)
    spool.append(protocol.Attempt(sequence=1, time=1.0, number=1, parent=0, from_step=0))
    log(spool, 1, loss=2.0)
    spool.close()
    run_through(deliver(spool.directory))
    rows = service.records("run", dict)
    assert [(row["attempt"], row["values"]["loss"]) for row in rows] == [(0, 1.0), (1, 2.0)]


def test_calls_that_name_other_series_share_a_batch_without_splitting_it(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    for step in range(100):
        log(spool, step, a=1.0, b=float(step))
        log(spool, step, c=2.0)
    log(spool, 100, c=3.0, a=4.0)
    log(spool, 101, c=5.0)
    spool.close()
    run_through(deliver(spool.directory))
    (batch,) = service.batches
    names = [record.names for record in batch.records if isinstance(record, protocol.Points)]
    assert names == [["a", "b"], ["c"], ["c", "a"], ["c"]]
    assert service.points("run", "c") == [(step, 2.0) for step in range(100)] + [(100, 3.0), (101, 5.0)]
    assert service.points("run", "b") == [(step, float(step)) for step in range(100)]


def test_marks_and_distributions_arrive_as_they_were_logged(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = Spool(tmp_path, "run", "0-writer")
    spool.append(begin())
    log(spool, 1, mark=4, q=0.5)
    log(spool, 2, q=0.6)
    spool.append_row(Columns(("g",), 11), (3, 3.0, -1), range(11))
    spool.close()
    run_through(deliver(spool.directory))
    rows = service.records("run", dict)
    assert [row["mark"] for row in rows] == [4, -1, -1]
    assert rows[2]["values"]["g"] == list(range(11))


def test_what_waits_longer_than_it_is_kept_is_given_up_counted_and_told(
    tmp_path: Path, service: Service, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = write_spool(tmp_path, 300, segment_bytes=2000)
    files = segments(spool)
    for age, segment in enumerate(reversed(files)):
        os.utime(segment, (1000.0 - 10 * age, 1000.0 - 10 * age))
    service.faults.append("ignore")
    lost: list[int] = []
    freed: list[int] = []
    before = sum(segment.stat().st_size for segment in files)
    monkeypatch.setattr(client_delivery, "BATCH_BYTES", 500)
    delivery = deliver(spool, lost=lost.append, freed=freed.append, age=35.0, clock=lambda: 1000.0)
    assert delivery.step() is Outcome.UNREACHABLE
    delivery.expire()
    # The first says what the run is; the last four are young enough.
    assert segments(spool) == [files[0], *files[-4:]]
    assert sum(freed) == before - sum(segment.stat().st_size for segment in segments(spool))
    run_through(delivery)
    (gap,) = service.records("run", protocol.Gap)
    assert "waited longer than 35 s" in gap.reason
    assert (gap.sequence, gap.last) == (first_of(files[1]), first_of(files[-4]) - 1)
    assert sum(lost) == delivery.lost == gap.last - gap.sequence + 1
    assert len(service.points("run", "loss")) == 300 - sum(lost)


def test_what_is_given_up_takes_its_images_along_and_counts_no_loss_twice(
    tmp_path: Path, service: Service, deliver: Deliver
) -> None:
    spool = Spool(tmp_path, "run", "0-writer", segment_bytes=300)
    spool.append(begin())
    data = encode_grid(np.zeros((1, 4, 4, 1), np.uint8))
    for step in range(4):
        ImageStore(spool.directory).add(digest_of(data), data)
        spool.append(protocol.Image(sequence=1, time=1.0, name="samples", step=step, digest=digest_of(data)))
    spool.append(protocol.Gap(sequence=6, last=6, time=1.0, reason="lost before"))
    spool.append(protocol.Declare(sequence=1, name="a" * 300))
    spool.append(protocol.Declare(sequence=1, name="b"))
    spool.close()
    lost: list[int] = []
    delivery = deliver(spool.directory, lost=lost.append, age=-1.0)
    delivery.position = Position(1, 0, 1)
    delivery.expire()
    assert len(segments(spool.directory)) == 2
    assert list((spool.directory / "images").iterdir()) == []
    kept = sum(1 for entry in read_all(spool.directory) if not isinstance(entry.payload, protocol.Gap))
    assert sum(lost) == 7 - kept
