"""The same as in ``test_judging``, with a process that is really killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.alerts.judging import judge_run
from monitor.store.database import Database
from tests.monitor.alerts.streaming import Training
from tests.monitor.alerts.test_judging import CHANNELS, COLLAPSING, outcome

JUDGE_UNTIL_KILLED = """
import os, signal, sys
from sqlalchemy import event
from monitor.alerts.judging import judge_run
from monitor.store.database import Database

db, left = Database(sys.argv[1]), int(sys.argv[2])

def kill(connection, cursor, statement, *_):
    global left
    left -= statement.startswith(("INSERT", "UPDATE"))
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(db.engine, "after_cursor_execute", kill)
judge_run(db, "run", 0.0, ["webhook"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("statement", [1, 2, 4, 6])
def test_sigkill_between_two_writes_loses_and_doubles_nothing(tmp_path: Path, statement: int) -> None:
    url = f"sqlite:///{tmp_path}/ganwatch.db"
    db = Database(url)
    db.migrate()
    run = Training(db)
    run.epochs(COLLAPSING)
    fresh = (tmp_path / "ganwatch.db").read_bytes(), (tmp_path / "ganwatch.db-wal").read_bytes()
    judge_run(db, "run", 0.0, CHANNELS)
    expected = outcome(db)
    db.close()
    for suffix, content in zip(("", "-wal"), fresh, strict=True):
        (tmp_path / f"ganwatch.db{suffix}").write_bytes(content)
    (tmp_path / "ganwatch.db-shm").unlink(missing_ok=True)

    child = [sys.executable, "-c", JUDGE_UNTIL_KILLED, url, str(statement)]
    assert subprocess.run(child, check=False).returncode == -signal.SIGKILL
    db = Database(url)
    assert outcome(db)[0] == []
    judge_run(db, "run", 0.0, CHANNELS)
    assert outcome(db) == expected
    db.close()
