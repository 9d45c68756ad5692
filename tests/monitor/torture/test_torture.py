"""Kill the training, kill the service, two hundred times each, at any moment: nothing is lost or doubled.

`make torture` runs them in full; 20 kills of each are among the slow tests. Processes come from a fork server
that has everything loaded, so that a kill costs little more than what is killed.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import monitor
from monitor.client import sender
from monitor.client.sync import sync
from monitor.server import listen
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.runs import get_run
from monitor.store.series import query_points
from tests.monitor.torture.victims import RUN, TOKEN, serve, settings_of, train, values_at

KILLS = [
    pytest.param(20, marks=pytest.mark.slow),
    pytest.param(200, marks=[pytest.mark.torture, pytest.mark.timeout(3600)]),
]
#: Steps that a process of the training can reach, at most.
APART = 10**6


@pytest.fixture(scope="module")
def spawner() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.monitor.torture.victims", "httpx", "uvicorn"])
    return context


class Service(NamedTuple):
    """What `serve` is told, through all of its deaths."""

    directory: Path
    database: str
    port: int

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Service:
    directory = tmp_path / "data"
    with listen(settings_of(directory, "", 0)) as listener:
        return Service(directory, database_url, listener.getsockname()[1])


@contextmanager
def alive(process: BaseProcess) -> Iterator[BaseProcess]:
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def stored(url: str) -> dict[int, dict[str, float]]:
    """What the store has, by step; asserts that it has nothing twice and knows of no loss."""
    found: dict[int, dict[str, float]] = {}
    with closing(Database(url)) as db:
        compact(db, RUN)
        with db.read() as c:
            series = query_points(c, RUN, ["loss/d", "loss/g", "angle"], 10**7)["series"]
            about = get_run(c, RUN)
    for name, columns in series.items():
        assert columns["exact"]
        assert len(set(columns["step"])) == len(columns["step"]), f"{name} has points twice"
        for step, value in zip(columns["step"], columns["last"], strict=True):
            found.setdefault(step, {})[name] = value
    assert (about["gaps"], about["dropped"], about["rejected"]) == ([], 0, 0)
    return found


@pytest.mark.parametrize("kills", KILLS)
def test_a_training_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, service: Service, spawner: Any, kills: int
) -> None:
    chance = random.Random(kills)
    link, spools, returned = service.link, tmp_path / "spools", tmp_path / "returned"
    with alive(spawner.Process(target=serve, args=service)):
        for kill in range(kills):
            victim = spawner.Process(target=train, args=(link, spools, returned, kill * APART, None))
            with alive(victim):
                if kill % 4:
                    # In the middle of logging; every fourth while it starts.
                    enough = size_of(returned) + chance.randrange(8 * 300)
                    while size_of(returned) < enough:
                        victim.join(0.005)
                        assert victim.exitcode is None
                else:
                    victim.join(chance.uniform(0.0, 0.5))
        last = spawner.Process(target=train, args=(link, spools, returned, kills * APART, kills * APART + 10))
        with alive(last):
            last.join(120)
            assert last.exitcode == 0
        reports = sync(spools, link, TOKEN)
        assert [report for report in reports if report.obstacle or report.lost] == []
        assert sync(spools, link, TOKEN) == []
    found = stored(service.database)
    steps = np.fromfile(returned, "<u8").tolist()
    lost = set(steps) - found.keys()
    assert not lost, f"{len(lost)} of {len(steps)} steps whose log returned are lost"
    # The one call of each process that had not returned yet may be there or not.
    assert len(found.keys() - set(steps)) <= kills
    assert all(found[step] == values_at(step) for step in found)
    print(f"{kills} kills of the training: {len(steps)} steps returned, 0 lost, 0 doubled")  # noqa: T201 - the figures, shown with -s


@pytest.mark.parametrize("kills", KILLS)
def test_a_service_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, service: Service, spawner: Any, kills: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "INTERVAL", 0.01)
    monkeypatch.setattr(sender, "LONGEST_DELAY", 0.1)
    monkeypatch.setattr(sender, "SHORTEST_DELAY", 0.05)
    chance = random.Random(kills)
    run = monitor.init(id=RUN, server=service.link, token=TOKEN, directory=tmp_path / "spools")
    assert run._sender is not None
    delivery, stepped = run._sender.delivery, run._sender._stepped
    is_over = threading.Event()
    steps = 0

    def log() -> None:
        nonlocal steps
        while not is_over.wait(0.001):
            run.log(values_at(steps), step=steps)
            steps += 1

    training = threading.Thread(target=log)
    training.start()
    try:
        for kill in range(kills):
            with alive(spawner.Process(target=serve, args=service)) as victim:
                if kill % 4:
                    # In the middle of taking in; every fourth while it starts.
                    before = delivery.confirmed
                    with stepped:
                        assert stepped.wait_for(lambda: delivery.confirmed > before, 60)  # noqa: B023
                victim.join(chance.uniform(0.0, 0.2))
    finally:
        is_over.set()
        training.join()
    with alive(spawner.Process(target=serve, args=service)):
        summary = run.finish(timeout=120)
    assert (summary.pending, summary.dropped, summary.rejected) == (0, 0, 0)
    assert stored(service.database) == {step: values_at(step) for step in range(steps)}
    print(f"{kills} kills of the service: {steps} steps, 0 lost, 0 doubled")  # noqa: T201 - the figures, shown with -s
