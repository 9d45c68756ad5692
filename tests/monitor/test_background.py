from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from monitor import protocol
from monitor.background import Background
from monitor.settings import Settings
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.schema import Batch, Chunk, Run
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
            wait_until(lambda: "sound" not in tails(db))
        finally:
            background.stop()
    assert tails(db) == {"damaged": 1}


def wait_until(holds: Callable[[], bool]) -> None:
    patience = threading.Event()
    for _ in range(2000):
        if holds():
            return
        patience.wait(0.005)
    raise AssertionError("it never came true")


def test_what_is_too_old_is_deleted_and_what_is_not_named_is_dropped_in_time(
    db: Database, tmp_path: Path
) -> None:
    Voice(run="old").begin().say(protocol.End, state="finished").send(db)
    Voice(run="new").begin(time=NOW + 86400).say(protocol.End, state="finished").send(db, now=NOW + 86400)
    settings = Settings(data_dir=tmp_path, keep_days=1)
    background = Background(db, settings, lambda: NOW + 86401, lambda *_: None)
    background.start()
    try:
        wait_until(lambda: runs_of(db) == ["new"])
    finally:
        background.stop()


def runs_of(db: Database) -> list[str]:
    with db.read() as c:
        return list(c.execute(select(Run.id)).scalars())
