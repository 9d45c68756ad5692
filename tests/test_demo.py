"""The demo as a stranger sees it, once in full, its service killed on the way."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from monitor.store import runs, series
from monitor.store.database import Database
from trainer.recipes import RECIPES
from trainer.schedule import Schedule

ROOT = Path(__file__).parents[1]
#: A busy machine takes many times what a quiet one does.
PATIENCE = 1500
DIGITS = 1797


class Demo(NamedTuple):
    status: int
    output: str
    directory: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GANWATCH_")}
    return kept | {"PYTHONPATH": str(ROOT)} | settings


def start(cwd: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "examples" / "demo.py"), *arguments],
        cwd=cwd,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def refused(cwd: Path, *arguments: str, **settings: str) -> str:
    """What it says where it cannot begin: one line after the address, if it came that far."""
    with start(cwd, "--exit", *arguments, **settings) as demo:
        output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 1
    lines = [line for line in output.splitlines() if line and not line.startswith("ganwatch: http")]
    assert len(lines) == 1, output
    return lines[0]


def service_of(demo: subprocess.Popen[str]) -> int:
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        pid, parent, command = line.split(None, 2)
        if parent == str(demo.pid) and "monitor.cli serve" in command:
            return int(pid)
    raise AssertionError(listed)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """``--exit``, and the service killed as soon as all runs have come half-way to the collapse."""
    home = tmp_path_factory.mktemp("demo")
    with start(home, "--exit", "--port", str(free_port())) as process:
        assert process.stdout is not None
        link = httpx.URL(process.stdout.readline().split()[-1])
        service = httpx.Client(
            base_url=f"{link.scheme}://{link.netloc.decode()}",
            headers={"Authorization": f"Bearer {link.params['token']}"},
        )
        try:
            wait_for_epoch(service, 20)
            os.kill(service_of(process), signal.SIGKILL)
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.terminate()
            service.close()
    return Demo(process.returncode, output.replace("\r", "\n"), home / ".ganwatch")


def wait_for_epoch(service: httpx.Client, epoch: int) -> None:
    deadline = time.monotonic() + PATIENCE / 2
    while time.monotonic() < deadline:
        try:
            listed: list[dict[str, Any]] = service.get("/api/v1/runs").json()["runs"]
        except httpx.TransportError:  # it is not there yet
            listed = []
        if len(listed) == 3 and all((run["epoch"] or 0) >= epoch for run in listed):
            return
        time.sleep(0.2)  # training takes its time; nothing tells a stranger how far it is but asking
    raise AssertionError("training did not get anywhere")


slow = [pytest.mark.slow, pytest.mark.timeout(PATIENCE)]


class TestTheWholeDemo:
    pytestmark = slow

    def test_all_goes_as_promised(self, demo: Demo) -> None:
        assert demo.status == 0, demo.output

    def test_the_table_shows_what_turned_and_what_was_healthy(self, demo: Demo) -> None:
        assert re.search(r"digits-lsgan +100 .*Turning point at epoch \d+, told after epoch \d+", demo.output)
        assert re.search(r"digits-gn +100 .* none", demo.output)
        assert re.search(r"digits-lsgan: .*(Quality|iversity) fell from .* to ", demo.output)

    def test_the_third_run_turned_like_the_first_and_was_brought_back(self, demo: Demo) -> None:
        turns = re.findall(r"Turning point at epoch \d+, told", demo.output)
        assert len(turns) == 2
        assert len(set(turns)) == 1
        assert re.search(r"lsgan-rescued: went back to .* remedy: gn\. Q was .*; D was .* is ", demo.output)

    def test_a_killed_service_is_started_again(self, demo: Demo) -> None:
        assert f"the service ended with status {-signal.SIGKILL}: it is started again" in demo.output

    def test_no_point_is_lost_and_none_is_doubled(self, demo: Demo) -> None:
        with (
            closing(Database(f"sqlite:///{demo.directory / 'ganwatch.db'}")) as database,
            database.read() as c,
        ):
            listed = runs.list_runs(c)["runs"]
            assert len(listed) == 3
            for run in listed:
                if run["name"] == "lsgan-rescued":
                    continue  # it logged some steps twice, each in an attempt of its own
                config = RECIPES[run["name"]]()
                epochs, steps = config.epochs, Schedule(config, DIGITS).last_step
                found = runs.get_run(c, run["id"])
                assert (found["gaps"], found["rejected"], found["judged"]) == ([], 0, epochs)
                counts = {entry["name"]: entry["count"] for entry in series.list_series(c, run["id"])}
                for name in ("loss/g", "loss/d", "angle/iter/g", "score/real"):
                    assert counts[name] == steps, name
                for name in ("quality/digits-classifier", "angle/epoch/d", "learning_rate/g"):
                    assert counts[name] == epochs, name


def test_a_port_in_use_is_said_in_one_line_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path, PORT=str(port))
    assert f"port {port}" in said
    assert f"make demo PORT={port + 1}" in said


def test_a_database_of_something_else_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".ganwatch").mkdir()
    with closing(sqlite3.connect(tmp_path / ".ganwatch" / "ganwatch.db")) as foreign:
        foreign.execute("create table songs (title text)")
        foreign.commit()
    said = refused(tmp_path, "--port", str(free_port()))
    assert "holds tables of something else" in said


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".ganwatch").write_text("a file")
    assert "--data-dir" in refused(tmp_path, "--port", str(free_port()))
