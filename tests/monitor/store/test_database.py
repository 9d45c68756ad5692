from __future__ import annotations

import errno
import fcntl
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, inspect, select, text

from monitor.errors import Misuse, Problem
from monitor.store.database import VERSION_TABLE, Database, migrations_directory
from monitor.store.schema import Base, RuleState, Run
from tests.monitor.store.writing import Voice


def test_the_migrations_make_exactly_what_the_models_say(database: Database) -> None:
    with database.read() as c:
        context = MigrationContext.configure(
            c,
            opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True},
        )
        assert compare_metadata(context, Base.metadata) == []
        found = inspect(c)
        for table in Base.metadata.sorted_tables:
            assert found.get_pk_constraint(table.name)["constrained_columns"] == [
                column.name for column in table.primary_key
            ]


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.read() as c:
        assert c.execute(text(f"SELECT count(*) FROM {VERSION_TABLE}")).scalar() == 1


def test_each_migration_can_be_taken_back_and_made_again_around_what_is_stored(database: Database) -> None:
    Voice().begin().send(database)
    with database.write() as c:
        c.execute(delete(RuleState))
        config = Config()
        config.set_main_option("script_location", str(migrations_directory()))
        config.attributes["connection"] = c
        command.downgrade(config, "0004")
        assert not {"rule", "rule_state", "damaged_batch"} & set(inspect(c).get_table_names())
    database.migrate()
    with database.read() as c:
        run = c.execute(select(Run.version, Run.on_turning_point)).one()
        state = c.execute(select(RuleState.run_id, RuleState.cursor, RuleState.state)).one()
        assert run.on_turning_point == "notify"
        assert tuple(state) == ("r", run.version, {}), "what was stored before there were rules is not judged"
    test_the_migrations_make_exactly_what_the_models_say(database)


def test_two_servers_may_start_at_once(database_url: str) -> None:
    servers = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Database.migrate, servers))
    for server in servers:
        server.close()


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/deep/er/ganwatch.db")
    db.migrate()
    for connect in (db.read, db.write):
        with connect() as c:
            pragmas = {
                name: c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "foreign_keys")
            }
            assert c.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert pragmas == {"synchronous": 2, "foreign_keys": 1}
    db.close()


def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    def write() -> None:
        with database.write() as c:
            c.execute(text("INSERT INTO blob VALUES ('r', 'd', 'image/png', 1, 1, 'x')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    with database.read() as c:
        assert c.execute(text("SELECT count(*) FROM blob")).scalar() == 0


def test_a_reader_sees_one_moment(database: Database) -> None:
    count = text("SELECT count(*) FROM blob")
    with database.read() as c:
        assert c.execute(count).scalar() == 0
        with database.write() as w:
            w.execute(text("INSERT INTO blob VALUES ('r', 'd', 'image/png', 1, 1, 'x')"))
        assert c.execute(count).scalar() == 0
    with database.read() as c:
        assert c.execute(count).scalar() == 1


def test_a_database_of_a_newer_program_is_refused_in_one_line(database: Database) -> None:
    with database.write() as c:
        c.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(Misuse, match="newer ganwatch") as refusal:
        database.migrate()
    assert "\n" not in str(refusal.value)


def test_a_database_of_something_else_is_left_alone(database_url: str) -> None:
    db = Database(database_url)
    if db.is_sqlite:
        other = sqlite3.connect(str(db.url.database))
        other.execute("CREATE TABLE theirs (a INTEGER)")
        other.close()
    else:
        with db.write() as c:
            c.execute(text("CREATE TABLE theirs (a INTEGER)"))
    with pytest.raises(Misuse, match="something else"):
        db.migrate()
    with db.read() as c:
        assert inspect(c).get_table_names() == ["theirs"]
    db.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ganwatch.db"
    path.write_text("Dear diary, " * 1000)
    db = Database(f"sqlite:///{path}")
    with pytest.raises(Misuse, match=f"{path} cannot be used: file is not a database"):
        db.migrate()
    db.close()


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misuse, match="cannot make the folder"):
        Database(f"sqlite:///{tmp_path}/file/ganwatch.db").migrate()
    (tmp_path / "folder.db").mkdir()
    db = Database(f"sqlite:///{tmp_path}/folder.db")
    with pytest.raises(Misuse, match="unable to open database file"):
        db.migrate()
    db.close()


@pytest.mark.postgres
def test_an_unreachable_server_is_named_without_its_password() -> None:
    db = Database("postgresql://me:secret@127.0.0.1:1/ganwatch?connect_timeout=2")
    with pytest.raises(Misuse, match="cannot be used") as refusal:
        db.migrate()
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:runs.db?uri=true",
        "sqlite:///runs.db?mode=ro",
    ],
)
def test_what_is_no_place_for_runs_is_refused(url: str) -> None:
    with pytest.raises(Misuse):
        Database(url)


def test_a_full_disk_is_told_as_such_and_reading_goes_on(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/ganwatch.db")
    db.migrate()

    def write() -> None:
        with db.write() as c:
            c.exec_driver_sql("PRAGMA max_page_count = 1")
            c.exec_driver_sql("INSERT INTO blob VALUES ('r', 'd', 'image/png', 1, 1, zeroblob(10000000))")

    with pytest.raises(Problem) as refusal:
        write()
    assert (refusal.value.status, refusal.value.type) == (507, "disk-full")
    with db.read() as c:
        assert c.execute(text("SELECT count(*) FROM blob")).scalar() == 0
    db.close()


def test_one_service_at_a_time_has_a_sqlite_file_however_its_path_is_spelled(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "other.db").symlink_to("folder/ganwatch.db")
    first, *others = (
        Database(f"{scheme}:///{tmp_path}/{path}")
        for scheme, path in (
            ("sqlite", "folder/ganwatch.db"),
            ("sqlite+pysqlite", "folder/ganwatch.db"),
            ("sqlite", "link/ganwatch.db"),
            ("sqlite", "other.db"),
        )
    )
    for other in others:
        with (
            first.served_alone(),
            pytest.raises(Misuse, match="another `ganwatch serve` has"),
            other.served_alone(),
        ):
            pass
        with other.served_alone():
            pass


HOLDER = """
import sys, time
from monitor.store.database import Database
with Database(sys.argv[1]).served_alone():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_service_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ganwatch.db"
    database = Database(url)
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(Misuse, match="another"), database.served_alone():
                pass
        finally:
            holder.kill()
    with database.served_alone():
        pass


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "ganwatch.db-served").mkdir()
    database = Database(f"sqlite:///{tmp_path}/ganwatch.db")
    with pytest.raises(Misuse, match=r"ganwatch\.db-served .*--data-dir"), database.served_alone():
        pass


def test_a_file_system_without_locks_is_warned_of_and_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with Database(f"sqlite:///{tmp_path}/ganwatch.db").served_alone():
        assert "ganwatch.db-served (No locks available)" in caplog.text
