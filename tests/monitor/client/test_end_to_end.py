"""The client against the real service: started as a user starts it, killed as fate kills it."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
import pytest

import monitor
from monitor.client.sync import sync

ROOT = Path(__file__).parents[3]


class ServiceProcess:
    """`ganwatch serve`, on a port of its own choice that it keeps when it is started again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.port = 0
        self.link = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "monitor.cli", "serve", "--no-open", "--data-dir", str(self._data)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._process.stdout is not None
        self.link = self._process.stdout.readline().removeprefix("ganwatch is at ").strip()
        assert self.link.startswith("http"), "the service did not start"
        self.port = httpx.URL(self.link).port or 0

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def get(self, path: str, **query: Any) -> Any:
        url = httpx.URL(self.link)
        reply = httpx.get(
            url.join(f"/api/v1{path}"),
            params=query,
            headers={"Authorization": f"Bearer {url.params['token']}"},
            timeout=30,
            trust_env=False,
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    def points(self, run: str, name: str) -> dict[str, Any]:
        series: dict[str, Any] = self.get(f"/runs/{run}/points", name=name, buckets=10_000)["series"][name]
        assert series["exact"]
        return series


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("service")) as service:
        yield service


def test_a_run_with_everything_in_it_reaches_the_service(service: ServiceProcess) -> None:
    with monitor.init(
        project="digits", name="first", config={"lr": 2e-4}, tags=["try"], server=service.link
    ) as run:
        run.declare("quality/digits", unit="probability", direction="higher", role="Q", judge="digits", m=10)
        for step in range(1000):
            run.log({"loss/d": step / 8, "loss/g": math.nan if step == 500 else -step}, step=step)
            if step % 100 == 99:
                mark = run.mark(step=step, epoch=step / 100, images_seen=64 * step)
                run.log({"quality/digits": 0.5}, step=step, mark=mark)
        run.log_distribution("gradient_norm/real", np.arange(11.0), step=999)
        run.log_images("samples", np.zeros((9, 8, 8), np.uint8), step=999, scores=[0.5] * 9)
    summary = run.finish()
    assert (summary.pending, summary.dropped, summary.rejected) == (0, 0, 0)
    about = service.get(f"/runs/{run.id}")
    assert (about["state"], about["project"], about["config"]) == ("finished", "digits", {"lr": 2e-4})
    losses = service.points(run.id, "loss/d")
    assert losses["step"] == list(range(1000))
    assert losses["last"] == [step / 8 for step in range(1000)]
    assert service.points(run.id, "loss/g")["last"][500] == "NaN"
    assert len(service.get(f"/runs/{run.id}/marks")["index"]) == 10
    (image,) = service.get(f"/runs/{run.id}/images")["images"]
    assert (image["rows"], image["columns"], image["scores"]) == (3, 3, [0.5] * 9)


def wait_until_confirmed(run: monitor.Run, sequence: int) -> None:
    sender = run._sender
    assert sender is not None
    with sender._stepped:
        assert sender._stepped.wait_for(lambda: sender.delivery.confirmed >= sequence, 60)


def test_a_service_killed_while_it_takes_in_loses_and_doubles_nothing(service: ServiceProcess) -> None:
    run = monitor.init(id="killed", server=service.link)
    killed_enough = threading.Event()
    steps = 0

    def log() -> None:
        nonlocal steps
        while not killed_enough.wait(0.02):
            run.log({"loss": steps / 8}, step=steps)
            steps += 1

    thread = threading.Thread(target=log)
    thread.start()
    wait_until_confirmed(run, 10)
    service.kill()
    service.start()
    wait_until_confirmed(run, run._spool.sequence)
    killed_enough.set()
    thread.join()
    assert run.finish(timeout=60).pending == 0
    losses = service.points(run.id, "loss")
    assert losses["step"] == list(range(steps))
    assert losses["last"] == [step / 8 for step in range(steps)]
    assert service.get(f"/runs/{run.id}")["state"] == "finished"


DIES = """
import os, signal, sys
import monitor
run = monitor.init(id="died", resume=sys.argv[1] == "resume")
run.rewind(499) if run.attempt or sys.argv[1] == "resume" else None
for step in range(int(sys.argv[2]), int(sys.argv[3])):
    run.log({"loss": step / 8}, step=step)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_was_killed_and_went_on_from_a_checkpoint_is_delivered_by_sync(
    service: ServiceProcess, tmp_path: Path
) -> None:
    for arguments in (["begin", "0", "800"], ["resume", "500", "1000"]):
        subprocess.run([sys.executable, "-c", DIES, *arguments], check=False, cwd=ROOT, timeout=60)
    reports = sync(tmp_path, service.link)
    assert [report.obstacle for report in reports] == ["", ""]
    assert sum(report.delivered for report in reports) == 1 + 800 + 2 + 500
    about = service.get("/runs/died")
    assert about["attempt"] == 1
    assert [(a["number"], a["from_step"]) for a in about["attempts"]] == [(0, None), (1, 499)]
    assert service.points("died", "loss")["step"] == list(range(1000))


def test_a_second_process_with_the_same_id_is_refused(
    service: ServiceProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with monitor.init(id="taken", server=service.link, directory=tmp_path / "one") as first:
        first.log({"loss": 1.0}, step=1)
        wait_until_confirmed(first, 2)
        second = monitor.init(id="taken", server=service.link, directory=tmp_path / "two")
        second.log({"loss": 2.0}, step=1)
        assert second.finish().pending == 3
    assert first.finish().pending == 0
    assert service.points("taken", "loss")["last"] == [1.0]
    (report,) = sync(tmp_path / "two", service.link)
    assert "409" in report.obstacle
