from __future__ import annotations

import random
import signal
import subprocess
import sys

import pytest

from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.ingest import apply_batch
from monitor.store.series import list_series
from tests.monitor.store.ingesting import ROWS, batches_from, next_batch
from tests.monitor.store.writing import NOW, points_of


@pytest.mark.parametrize(
    "kills", [3, pytest.param(200, marks=[pytest.mark.torture, pytest.mark.timeout(3600)])]
)
def test_a_killed_server_loses_and_doubles_nothing(database_url: str, kills: int) -> None:
    chance = random.Random(kills)
    acknowledged = -1
    for _ in range(kills):
        # The client never knows whether its last batch arrived: it says it again.
        first = max(0, acknowledged - chance.randrange(3))
        acknowledged = max(acknowledged, ingest_and_kill(database_url, first, chance.randrange(1, 40)))
        db = Database(database_url)
        db.migrate()
        stored = points_of(db, "a")
        assert stored == [(step, float(step)) for step in range(len(stored))]
        assert points_of(db, "b") == [(step, -float(step)) for step in range(len(stored))]
        assert len(stored) % ROWS == 0
        assert len(stored) >= (acknowledged + 1) * ROWS
        with db.read() as c:
            assert {series["count"] for series in list_series(c, "r")} == {len(stored)}
        db.close()
    db = Database(database_url)
    compact(db, "r")
    voice = batches_from(acknowledged)
    for number in range(acknowledged, acknowledged + 5):
        apply_batch(db, "r", next_batch(voice, number), NOW)
    total = (acknowledged + 5) * ROWS
    assert points_of(db, "a") == [(step, float(step)) for step in range(total)]
    db.close()


def ingest_and_kill(url: str, first: int, batches: int) -> int:
    """The last batch that was acknowledged before the process was killed."""
    command = [sys.executable, "-m", "tests.monitor.store.ingesting", url, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(batches):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        last = first + batches - 1
        for line in process.stdout:
            last = int(line) if line.endswith("\n") else last
    return last
