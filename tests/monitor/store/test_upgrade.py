"""Stores that earlier versions wrote: ``released/<schema>.db.gz``, each made by that version's own code.

Every one holds the same: run ``run`` is the collapsing training of ``test_judging``, judged; run ``strange``
has a series of 10 000 points, all kinds of numbers, a distribution, an image, a gap, and a second attempt.
"""

from __future__ import annotations

import gzip
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Row, create_engine, insert, inspect, select

from monitor.alerts.judging import judge_run
from monitor.alerts.turning_points import RULE
from monitor.detection.false_alarms import FalseAlarms
from monitor.store import false_alarms, images, marks, runs
from monitor.store.compactor import compact
from monitor.store.database import Database, migrations_directory
from monitor.store.picture import query_points
from monitor.store.revisions import newest_revision, revision_of, scripts
from monitor.store.schema import Alert, Base
from tests.monitor.alerts.streaming import STEPS
from tests.monitor.store.writing import NOW, Voice, points_of

RELEASED = sorted((Path(__file__).parent / "released").glob("*.db.gz"))
STRANGE = ["NaN", "Infinity", "-Infinity", -0.0, 5e-324, 1.7976931348623157e308, 0.1, 2.0**53]

MIGRATE_UNTIL_KILLED = """
import os, signal, sys
from sqlalchemy import event
from monitor.store.database import Database

db, left = Database(sys.argv[1]), int(sys.argv[2])

def kill(connection, cursor, statement, *_):
    global left
    left -= statement.lstrip().startswith(("INSERT", "UPDATE", "CREATE", "ALTER", "DROP"))
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(db.engine, "after_cursor_execute", kill)
db.migrate()
"""


@pytest.fixture(params=RELEASED, ids=lambda path: path.name.partition(".")[0])
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "released.db"
    path.write_bytes(gzip.decompress(request.param.read_bytes()))
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, released: Path) -> Iterator[Database]:
    """The released store, in either database."""
    if request.param == "sqlite":
        made = Database(f"sqlite:///{released}")
    else:
        made = Database(request.getfixturevalue("postgres_url"))
        move(released, made)
    yield made
    made.close()


def move(released: Path, target: Database) -> None:
    """The rows as they are, into the same schema."""
    engine = create_engine(f"sqlite:///{released}")
    with engine.connect() as reading, target.write() as writing:
        config = Config()
        config.set_main_option("script_location", str(migrations_directory()))
        config.attributes["connection"] = writing
        command.upgrade(config, revision_of(reading) or "base")
        there = MetaData()
        there.reflect(writing)
        for table in there.sorted_tables:
            if table.name in Base.metadata.tables:
                # With the types of today, for what SQLite reflects is loose; columns of today are left out.
                wanted = [Base.metadata.tables[table.name].c[column.name] for column in table.columns]
                rows = [dict(row) for row in reading.execute(select(*wanted)).mappings()]
                if rows:
                    writing.execute(insert(table), rows)
    engine.dispose()


def test_there_is_a_store_of_every_released_schema_but_the_newest() -> None:
    assert [path.name.partition(".")[0] for path in RELEASED] == ["0001"]
    assert {path.name.partition(".")[0] for path in RELEASED} <= {
        s.revision for s in scripts().walk_revisions()
    }


def test_a_released_store_is_brought_up_to_date_with_all_it_held(store: Database) -> None:
    store.migrate()
    with store.read() as c:
        assert revision_of(c) == newest_revision()
    assert_holds_all(store)
    goes_on(store)


@pytest.mark.parametrize("statement", [1, 4, 9])
def test_a_migration_that_is_killed_is_begun_again(store: Database, statement: int) -> None:
    url = store.url.render_as_string(hide_password=False)
    with store.read() as c:
        before = revision_of(c)
    child = [sys.executable, "-c", MIGRATE_UNTIL_KILLED, url, str(statement)]
    assert subprocess.run(child, check=False, env=dict(os.environ)).returncode == -signal.SIGKILL
    with store.read() as c:
        assert revision_of(c) == before
        assert "facet" not in inspect(c).get_table_names()
    store.migrate()
    assert_holds_all(store)


def assert_holds_all(db: Database) -> None:
    assert points_of(db, "long", "strange") == [(step, step / 8) for step in range(5)]
    assert points_of(db, "long", "strange", attempt=0) == [(step, step / 8) for step in range(10_000)]
    found = points_of(db, "a", "strange", attempt=0)
    assert repr([value for _, value in found]) == repr(STRANGE)
    assert points_of(db, "a", "strange") == [*found[:5], (5, 1.0), (6, 2.0)]
    with db.read() as c:
        columns = query_points(c, "strange", ["long"], 10, attempt=0)["series"]["long"]
        assert (min(columns["min"]), max(columns["max"]), sum(columns["count"])) == (0.0, 9999 / 8, 10_000)
        listed = {run["id"]: run for run in runs.list_runs(c)["runs"]}
        assert set(listed) == {"run", "strange"}
        assert listed["run"]["alerts"] == {"firing": 1, "pending": 0, "resolved": 0}
        assert listed["strange"]["tags"] == ["old", "\u3031"]
        strange = runs.get_run(c, "strange")
        assert strange["config"] == {"deep": [{"null": None, "lr": 2e-4}]}
        assert [attempt["from_step"] for attempt in strange["attempts"]] == [None, 4]
        assert [gap["reason"] for gap in strange["gaps"]] == ["the disk was full"]
        (alert,) = alerts_of(c, "run")
        assert (alert.title, alert.state) == ("Turning point at epoch 50", "firing")
        assert false_alarms.observed(c, RULE) == FalseAlarms(dismissed=0, confirmed=1, healthy=50)
        assert marks.list_marks(c, "run")["step"][:2] == [STEPS, 2 * STEPS]
        (image,) = images.list_images(c, "strange")
        assert image["step"] == 3
        stored = images.get_image(c, "strange", "ab" * 32)
        assert stored is not None
        assert stored.data == bytes(range(256))


def goes_on(db: Database) -> None:
    """Ingest, compaction and judging take up what is there."""
    voice = Voice(writer="next", run="strange").begin(resume=True)
    voice.attempt = 1
    voice.log({"a": [3.0]}, [7]).send(db)
    compact(db, "strange")
    assert points_of(db, "a", "strange")[-2:] == [(6, 2.0), (7, 3.0)]
    judge_run(db, "run", NOW, ["webhook"])
    with db.read() as c:
        assert len(alerts_of(c, "run")) == 1
        assert math.isfinite(runs.list_runs(c)["runs"][0]["created"])


def alerts_of(c: Connection, run: str) -> list[Row[Any]]:
    return list(c.execute(select(Alert.title, Alert.state).where(Alert.run_id == run)))
