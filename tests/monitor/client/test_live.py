"""A run and a service that live at the same time, and what goes wrong between them."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import monitor
from monitor import protocol
from monitor.client import sender
from monitor.client.commands import Inbox
from monitor.client.delivery import Delivery, Outcome
from monitor.client.notices import Notices
from monitor.client.position import Position
from monitor.client.sender import Sender
from monitor.client.sync import sync
from monitor.client.transport import Reply, Unreachable
from tests.monitor.client.loopback import Answer, Service
from tests.monitor.client.spooling import reader, write_spool


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "ganwatch"]


def command(
    id: str,  # noqa: A002
    attempt: int = 0,
    kind: protocol.CommandKind = "stop",
    life: float = 60,
) -> protocol.Command:
    return protocol.Command(id=id, attempt=attempt, kind=kind, expires=time.time() + life)


def test_points_arrive_while_the_run_goes_on(service: Service) -> None:
    with monitor.init(id="run", server=service.url, token="secret") as run:
        assert run.url == f"{service.url}/runs/run"
        run.log({"loss": 0.5}, step=1)
        service.wait_until(lambda: service.points("run", "loss") == [(1, 0.5)])
        run.log({"loss": 0.25}, step=2)
        run.log_images("samples", np.zeros((4, 8, 8, 3), np.uint8), step=2)
        service.wait_until(lambda: len(service.records("run", protocol.Image)) == 1)
    assert service.points("run", "loss") == [(1, 0.5), (2, 0.25)]
    assert [record.state for record in service.records("run", protocol.End)] == ["finished"]
    assert len(service.images) == 1
    summary = run.finish()
    assert (summary.delivered, summary.pending, summary.dropped) == (5, 0, 0)


def test_the_link_that_the_service_prints_is_enough(service: Service) -> None:
    with monitor.init(id="run", server=f"{service.url}/?token=from-the-link") as run:
        assert run.url == f"{service.url}/runs/run"
    assert set(service.tokens) == {"Bearer from-the-link"}


def test_what_is_delivered_leaves_nothing_on_the_disk(tmp_path: Path, service: Service) -> None:
    with monitor.init(id="run", server=service.url) as run:
        run.log({"loss": 0.5}, step=1)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_flood_arrives_whole_through_a_bad_network(service: Service) -> None:
    network = random.Random(7)
    service.faults.extend(network.choices(["drop", "ignore", None], k=6))
    with monitor.init(id="run", server=service.url) as run:
        for step in range(20_000):
            run.log({"loss": step / 2, "other": 1.0}, step=step)
    assert run.finish().pending == 0
    assert service.points("run", "loss") == [(step, step / 2) for step in range(20_000)]


def test_a_server_that_is_away_costs_one_warning_and_no_time(
    tmp_path: Path, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.faults.extend(["ignore"] * 3)
    run = monitor.init(id="run", server=service.url)
    for step in range(100):
        run.log({"loss": step / 2}, step=step)
    service.wait_until(lambda: len(service.points("run", "loss")) == 100)
    assert run.finish().pending == 0
    assert sum("cannot be reached" in message for message in warnings_of(caplog)) == 1


def test_a_run_whose_server_never_comes_ends_in_time_and_can_be_delivered_later(
    tmp_path: Path, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    url = service.url
    service.close()
    run = monitor.init(id="run", server=url)
    for step in range(100):
        run.log({"loss": step / 2}, step=step)
    began = time.monotonic()
    summary = run.finish(timeout=1.0)
    assert time.monotonic() - began < 5
    assert (summary.delivered, summary.pending) == (0, 102)
    assert any("`ganwatch sync` delivers them" in message for message in warnings_of(caplog))
    later = Service()
    try:
        (report,) = sync(tmp_path, later.url)
        assert report.delivered == 102
        assert len(later.points("run", "loss")) == 100
    finally:
        later.close()


def test_a_wrong_token_is_told_once_and_the_run_goes_on(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.faults.extend([Answer(401, "unauthorized")] * 3)
    run = monitor.init(id="run", server=service.url, token="wrong")
    run.log({"loss": 1.0}, step=1)
    service.wait_until(lambda: len(service.tokens) >= 1)
    assert run.finish().pending == 3
    assert sum("does not accept the token" in message for message in warnings_of(caplog)) == 1


@pytest.mark.parametrize("refusal", ["diverged", "run-taken"])
def test_a_run_that_the_server_refuses_goes_on_and_keeps_its_spool(
    tmp_path: Path, service: Service, caplog: pytest.LogCaptureFixture, refusal: str
) -> None:
    service.faults.append(Answer(409, refusal))
    run = monitor.init(id="run", server=service.url)
    service.wait_until(lambda: len(service.tokens) == 1)
    run.log({"loss": 1.0}, step=1)
    assert run.finish().pending == 3
    assert len(service.tokens) == 1
    assert sum("takes nothing more of this run" in message for message in warnings_of(caplog)) == 1


def test_a_server_that_comes_back_empty_is_told_everything_again(service: Service) -> None:
    run = monitor.init(id="run", server=service.url)
    for step in range(50):
        run.log({"loss": step / 2}, step=step)
    service.wait_until(lambda: len(service.points("run", "loss")) == 50)
    service.forget()
    run.log({"loss": 25.0}, step=50)
    service.wait_until(lambda: len(service.points("run", "loss")) == 51)
    run.finish()
    assert service.points("run", "loss") == [(step, step / 2) for step in range(51)]


def test_commands_are_handed_out_once_and_acknowledged(service: Service) -> None:
    service.commands = [command("one"), command("one"), command("other kind", kind="change")]
    with monitor.init(id="run", server=service.url, commands=["stop"]) as run:
        assert run.commands() == []
        service.wait_until(lambda: len(service.batches) >= 1)
        handed: list[protocol.Command] = []
        step = 0
        while not handed:
            step += 1
            run.log({"loss": 1.0}, step=step)
            handed += run.commands()
        (stop,) = handed
        assert (stop.id, stop.kind) == ("one", "stop")
        seen = len(service.batches)
        run.log({"loss": 1.0}, step=step)
        service.wait_until(lambda: len(service.batches) > seen)
        assert run.commands() == []
        run.acknowledge("one", "done", "stopped at the next mark")
    (acknowledged,) = service.records("run", protocol.Acknowledgement)
    assert (acknowledged.command, acknowledged.outcome) == ("one", "done")


def test_commands_for_another_attempt_or_too_late_are_not_obeyed() -> None:
    inbox = Inbox(["stop"], clock=lambda: 100.0)
    inbox.receive(
        [
            protocol.Command(id="past", attempt=1, kind="stop", expires=100.0),
            protocol.Command(id="elsewhere", attempt=0, kind="stop", expires=200.0),
            protocol.Command(id="now", attempt=1, kind="stop", expires=200.0),
            protocol.Command(id="not allowed", attempt=1, kind="rollback", expires=200.0),
        ]
    )
    assert [command.id for command in inbox.take(1)] == ["now"]
    assert inbox.take(1) == []


class Scripted:
    """A transport that answers as told, and says how often it was asked."""

    def __init__(self, *replies: Reply | None) -> None:
        self.replies = list(replies)
        self.asked = 0

    def post(self, *_: object) -> Reply:
        self.asked += 1
        reply = self.replies.pop(0) if self.replies else None
        if reply is None:
            raise Unreachable("nobody")
        return reply

    put = post

    def close(self) -> None:
        pass


def receipt(high_water: int) -> Reply:
    return Reply(200, protocol.msgpack_encoder.encode(protocol.Receipt(high_water=high_water)))


def make_sender(tmp_path: Path, transport: Scripted, **options: object) -> Sender:
    spool = write_spool(tmp_path, 1)
    delivery = Delivery("run", "0-writer", spool, reader(spool), transport, position=Position())
    orphans = (None for _ in ())
    return Sender(delivery, Notices(), orphans=orphans, **options)  # type: ignore[arg-type]


def test_the_pauses_double_up_to_the_longest_and_begin_anew_after_an_answer(tmp_path: Path) -> None:
    nobody = [None] * 8
    transport = Scripted(*nobody, receipt(2), *nobody)
    patient = make_sender(tmp_path, transport, jitter=lambda: 1.0)
    doubling = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert [patient.advance() for _ in range(9)] == [*doubling, sender.INTERVAL]
    hurried = make_sender(tmp_path / "other", Scripted(*nobody), jitter=lambda: 0.0)
    assert [hurried.advance() for _ in range(8)] == [delay / 2 for delay in doubling]


def test_a_sign_of_life_is_given_when_there_is_nothing_to_say(tmp_path: Path) -> None:
    moment = 0.0
    transport = Scripted(receipt(2), receipt(2), receipt(2))
    silent = make_sender(tmp_path, transport, clock=lambda: moment)
    silent.advance()
    assert transport.asked == 1
    for moment, asked in ((9.9, 1), (10.0, 2), (10.1, 2), (19.9, 2), (20.0, 3)):
        silent.advance()
        assert transport.asked == asked, moment


def test_a_fault_of_the_client_itself_is_told_and_does_not_end_delivery(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Scripted):
        def post(self, *_: object) -> Reply:
            if self.asked == 0:
                self.asked = 1
                raise RuntimeError("a fault")
            return super().post()

    faulty = make_sender(tmp_path, Broken(receipt(2)), jitter=lambda: 1.0)
    assert faulty.advance() == sender.SHORTEST_DELAY
    assert "delivering failed" in warnings_of(caplog)[0]
    assert faulty.advance() == sender.INTERVAL
    assert faulty.delivery.step() is Outcome.IDLE


def test_an_outage_longer_than_the_spool_is_large_costs_counted_numbers(service: Service) -> None:
    is_away = threading.Event()
    is_away.set()

    def judge(_: protocol.Batch) -> None:
        if is_away.is_set():
            raise Answer(503, "away")

    service.judge = judge
    run = monitor.init(id="run", server=service.url, spool_limit=50_000)
    for step in range(2000):
        run.log({"loss": step / 2}, step=step)
    run.mark(step=2000)
    is_away.clear()
    service.wait_until(lambda: len(service.records("run", protocol.Mark)) == 1)
    summary = run.finish()
    assert 0 < summary.dropped < 2000
    assert summary.pending == 0
    gaps = service.records("run", protocol.Gap)
    assert sum(gap.last - gap.sequence + 1 for gap in gaps) == summary.dropped
    assert "limit" in gaps[0].reason
    assert len(service.points("run", "loss")) == 2000 - summary.dropped
    assert service.batches[-1].dropped == summary.dropped


def test_a_run_that_nobody_finishes_is_delivered_when_its_process_ends(service: Service) -> None:
    code = f"import monitor; monitor.init(id='run', server={service.url!r}).log({{'loss': 1.0}}, step=1)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
    assert service.points("run", "loss") == [(1, 1.0)]
    assert service.records("run", protocol.End)[0].state == "finished"


FULL = """
import resource, sys, threading
import monitor
run = monitor.init(id="run", server=sys.argv[1])
run.declare("loss", unit="nats")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
for step in range(100):
    run.log({"loss": step / 2}, step=step)
run.mark(step=100)
print(run.finish())
"""


def test_a_disk_that_stays_full_still_ends_as_finished_with_its_losses_told(
    tmp_path: Path, service: Service
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, service.url], capture_output=True, text=True, check=True, timeout=60
    )
    gaps = service.records("run", protocol.Gap)
    lost = sum(gap.last - gap.sequence + 1 for gap in gaps)
    assert 0 < lost < 100
    assert f"dropped={lost}," in done.stdout
    assert "pending=0" in done.stdout
    assert len(service.points("run", "loss")) == 100 - lost
    assert len(service.records("run", protocol.Mark)) == 1
    assert service.records("run", protocol.End)[0].state == "finished"
    assert service.batches[-1].dropped == lost
    assert done.stderr.count("what is lost is counted") == 1


def test_a_run_draws_the_same_random_numbers_watched_or_not(service: Service) -> None:
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    with monitor.init(id="run", server=service.url) as run:
        run.log({"loss": 1.0}, step=1)
        service.wait_until(lambda: len(service.batches) >= 1)
    assert (random.random(), np.random.random()) == expected


def test_a_request_that_hangs_does_not_hold_up_the_end(tmp_path: Path, service: Service) -> None:
    released = threading.Event()

    def hang(_: protocol.Batch) -> None:
        released.wait(20)

    service.judge = hang
    run = monitor.init(id="run", server=service.url)
    try:
        service.wait_until(lambda: len(service.tokens) >= 1)
        began = time.monotonic()
        assert run.finish(timeout=0.5).pending == 2
        assert time.monotonic() - began < 5
    finally:
        released.set()
