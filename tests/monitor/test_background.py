from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from monitor import protocol
from monitor.background import Background
from monitor.settings import Settings
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.schema import Batch, Chunk
from tests.monitor.store.writing import NOW, Voice


@pytest.fixture
def db(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/ganwatch.db")
    made.migrate()
    return made


def tails(db: Database) -> dict[str, int]:
    with db.read() as c:
        return dict(c.execute(select(Batch.run_id, func.count()).group_by(Batch.run_id)).all())


def test_a_damaged_run_keeps_no_other_from_being_compacted(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for run in ("damaged", "sound"):
        voice = Voice(run=run).begin().log({"a": [1.0]}, [1])
        voice.send(db)
        compact(db, run)
        voice.log({"a": [2.0]}, [2]).say(protocol.End, state="finished").send(db)
    with db.write() as c:
        c.execute(update(Chunk).where(Chunk.run_id == "damaged").values(payload=b"no chunk"))
    background = Background(db, Settings(data_dir=tmp_path), lambda: NOW, lambda *_: None)
    with caplog.at_level(logging.CRITICAL, "ganwatch"):
        background.start()
        try:
            wait_until_compacted(db, "sound")
        finally:
            background.stop()
    assert tails(db) == {"damaged": 1}


def wait_until_compacted(db: Database, run: str) -> None:
    patience = threading.Event()
    for _ in range(2000):
        if run not in tails(db):
            return
        patience.wait(0.005)
    raise AssertionError(f"{run} is not compacted: {tails(db)}")
