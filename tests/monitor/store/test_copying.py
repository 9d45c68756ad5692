from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from monitor import protocol
from monitor.alerts.judging import judge_run
from monitor.errors import Misuse
from monitor.store import alert_documents, images, marks, picture, runs, series
from monitor.store.compactor import compact
from monitor.store.copying import copy_store, store_at
from monitor.store.database import Database
from monitor.store.rules import write_rule
from monitor.store.schema import Base, DamagedBatch
from tests.monitor.alerts.streaming import Training
from tests.monitor.alerts.test_judging import COLLAPSING
from tests.monitor.store.writing import NOW, Voice, points_of

TO_POSTGRES = pytest.param("sqlite", "postgres", marks=pytest.mark.postgres)
FROM_POSTGRES = pytest.param("postgres", "sqlite", marks=pytest.mark.postgres)
STRANGE = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 2.0**53]


def make(kind: str, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Database:
    if kind == "sqlite":
        return Database(f"sqlite:///{tmp_path}/{name}.db")
    return Database(request.getfixturevalue("postgres_url"))


def fill(db: Database) -> None:
    """Two runs with all that a store can hold, a part of it compacted."""
    db.migrate()
    training = Training(db)
    training.epochs(COLLAPSING)
    write_rule(db, "high", {"series": "loss/*", "above": 1e3}, 0, NOW)
    judge_run(db, "run", NOW, ["webhook"])
    compact(db, "run")
    voice = Voice(run="strange").begin(config={"deep": [{"null": None, "\u202e": 2**62}]})
    steps = list(range(len(STRANGE)))
    voice.log({"a": STRANGE, "\u3031/.. %00": STRANGE[::-1]}, steps)
    voice.log_distributions("d", [[float(i)] * 11 for i in steps], steps)
    voice.say(protocol.Image, name="samples", step=3, digest="ab" * 32, scores=[0.5])
    voice.say(protocol.Gap, last=voice.next + 3, reason="the disk was full")
    voice.send(db)
    compact(db, "strange")
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=4, reason="a rollback")
    voice.log({"a": [1.0, 2.0]}, [5, 6]).send(db)
    images.put_image(
        db, "strange", "ab" * 32, media_type="image/png", width=1, height=1, data=bytes(range(256))
    )
    torn = {"attempt": 0, "received": NOW, "points": 1, "reason": "it ends early", "payload": b"\0\xff"}
    with db.write() as c:
        c.execute(insert(DamagedBatch).values(run_id="strange", id=9, **torn))


def answers(c: Connection) -> Iterator[Any]:
    listed = runs.list_runs(c)
    yield listed
    for run in (entry["id"] for entry in listed["runs"]):
        yield runs.get_run(c, run)
        yield (declared := series.list_series(c, run))
        yield marks.list_marks(c, run)
        yield images.list_images(c, run)
        yield alert_documents.list_alerts(c, run, None)
        names = [entry["name"] for entry in declared]
        for buckets in (3, 1000):
            yield picture.query_points(c, run, names, buckets)
        yield picture.query_points(c, run, names, 1000, attempt=0)
    yield images.get_image(c, "strange", "ab" * 32)


def all_answers(db: Database) -> str:
    with db.read() as c:
        # NaN is not equal to itself; its text is.
        return "\n".join(map(repr, answers(c)))


@pytest.mark.parametrize(("origin", "goal"), [("sqlite", "sqlite"), TO_POSTGRES, FROM_POSTGRES])
def test_a_copied_store_answers_alike(
    origin: str, goal: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source, target = (make(kind, name, tmp_path, request) for kind, name in ((origin, "a"), (goal, "b")))
    fill(source)
    copied = copy_store(source, target)
    assert all_answers(target) == all_answers(source)
    with source.read() as one, target.read() as other:
        for table in Base.metadata.sorted_tables:
            count = select(func.count()).select_from(table)
            assert one.execute(count).scalar() == other.execute(count).scalar() == copied[table.name]
    empty = {name for name, rows in copied.items() if not rows}
    assert empty <= {"command", "job"}, "fill them, too"
    # It goes on where the other one was.
    voice = Voice(writer="next", run="strange").begin(resume=True)
    voice.attempt = 1
    voice.log({"a": [7.0]}, [7]).send(target)
    assert points_of(target, "a", "strange")[-1] == (7, 7.0)
    source.close()
    target.close()


def test_a_copy_is_of_one_moment(tmp_path: Path) -> None:
    source, target = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in "ab")
    fill(source)
    before = all_answers(source)
    voice = Voice(run="meanwhile").begin()

    def write_meanwhile(*_: object) -> None:
        if voice.next == 2:
            voice.log({"a": [1.0]}, [1]).send(source)

    from sqlalchemy import event  # noqa: PLC0415

    event.listen(target.engine, "after_cursor_execute", write_meanwhile)
    target.migrate()
    copy_store(source, target)
    assert all_answers(target) in {before, all_answers(source)}
    source.close()
    target.close()


COPY_UNTIL_KILLED = """
import os, signal, sys
from sqlalchemy import event
from monitor.store.copying import copy_store, store_at

source, target = store_at(sys.argv[1]), store_at(sys.argv[2])
left = int(sys.argv[3])

def kill(connection, cursor, statement, *_):
    global left
    left -= statement.startswith("INSERT INTO") and "ganwatch_schema" not in statement
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(target.engine, "after_cursor_execute", kill)
copy_store(source, target)
"""


def test_a_copy_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    source, target = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in "ab")
    fill(source)
    child = [sys.executable, "-c", COPY_UNTIL_KILLED, str(tmp_path / "a.db"), str(tmp_path / "b.db"), "7"]
    assert subprocess.run(child, check=False).returncode == -signal.SIGKILL
    copy_store(source, target)
    assert all_answers(target) == all_answers(source)
    source.close()
    target.close()


def test_what_cannot_be_copied_is_refused_in_one_line(tmp_path: Path) -> None:
    source, target = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in "ab")
    with pytest.raises(Misuse, match="there is no store at"):
        copy_store(source, target)
    assert not (tmp_path / "a.db").exists()
    fill(source)
    copy_store(source, target)
    with pytest.raises(Misuse, match="is not empty"):
        copy_store(source, target)
    (tmp_path / "c.db").touch()
    with pytest.raises(Misuse, match="no store of ganwatch"):
        copy_store(store_at(str(tmp_path / "c.db")), target)
    source.close()
    target.close()
