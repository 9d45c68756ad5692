"""The database: SQLite beside the service, or PostgreSQL where there is more than one server process.

Readers see one snapshot for as long as they read. On SQLite one lock of this process puts writers in a row
before they ask SQLite for its own lock, so that threads never wait in SQLite's polling.
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

import monitor
from monitor.errors import Misuse, Problem

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

log = logging.getLogger("ganwatch")

VERSION_TABLE = "ganwatch_schema"
#: Any number does, as long as every server of a database takes the same one.
MIGRATION_LOCK = 0x67616E77
BUSY_SECONDS = 30.0
#: A line to PostgreSQL that is cut without a word, as by a router, is found out within half a minute: seconds
#: of silence, seconds between questions and how many, milliseconds for what is sent. A URL may say otherwise.
KEEP_ALIVE = {
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class _DriverConnection(Protocol):
    isolation_level: str | None

    def execute(self, statement: str) -> object: ...


def migrations_directory() -> Path:
    """Where the migrations lie: in the package as installed, or at the top of a checkout."""
    package = Path(monitor.__file__).parent
    bundled = package / "_bundled" / "migrations"
    return bundled if bundled.is_dir() else package.parent / "migrations"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Misuse("not a database URL") from None
    backend = parsed.drivername.partition("+")[0]
    if backend in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise Misuse(f"the database must be SQLite or PostgreSQL, not {backend}")
    if parsed.database in {None, "", ":memory:"}:
        raise Misuse("SQLite needs a file: sqlite:///path/to/ganwatch.db")
    if parsed.query:
        raise Misuse(
            f"SQLite takes no parameters ({', '.join(parsed.query)}), only a file: sqlite:///path/to/ganwatch.db"
        )
    return parsed.set(drivername="sqlite")


class Database:
    """Connections to one database. Safe to share between threads, not between processes."""

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.drivername == "sqlite"
        self._writing = threading.Lock()
        if self.is_sqlite:
            self.engine = create_engine(
                self.url, pool_size=16, max_overflow=48, connect_args={"timeout": BUSY_SECONDS}
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            keeping = {name: value for name, value in KEEP_ALIVE.items() if name not in self.url.query}
            self.engine = create_engine(
                self.url, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args=keeping
            )
        self._readers = _readers_of(self.engine, self.is_sqlite)
        self._writers = self.engine.execution_options(ganwatch_writes=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot and cannot be used to write on PostgreSQL."""
        with self._readers.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection whose transaction commits when the block ends, and is undone when it raises."""
        with self._writing if self.is_sqlite else nullcontext():
            try:
                with self._writers.begin() as connection:
                    yield connection
            except OperationalError as error:
                raise _problem_of(error) or error from error

    def migrate(self) -> None:
        """Bring the schema up to date, whole or not at all; :class:`Misuse` says why it cannot be."""
        self._make_folder()
        try:
            with self.write() as connection:
                self._migrate(connection)
        except Problem as problem:
            raise Misuse(f"the database {self.name} cannot be used: {problem.detail}") from None
        except DatabaseError as error:
            raise Misuse(f"the database {self.name} cannot be used: {_first_line(error)}") from None

    def _make_folder(self) -> None:
        if self.is_sqlite:
            try:
                Path(self.name).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Misuse(f"cannot make the folder of the database: {error}") from None

    def _migrate(self, connection: Connection) -> None:
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        if _is_current(connection):
            return
        # Loading these takes as long as half of the service's start.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415
        from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
        from alembic.script import ScriptDirectory  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
        config.attributes["connection"] = connection
        scripts = ScriptDirectory.from_config(config)
        known = {script.revision for script in scripts.walk_revisions()}
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        current = set(context.get_current_heads())
        if current - known:
            raise Misuse(
                f"the database {self.name} was made by a newer ganwatch; start that one, or another database"
            )
        if not current and inspect(connection).get_table_names():
            raise Misuse(
                f"the database {self.name} holds tables of something else; give ganwatch one of its own"
            )
        command.upgrade(config, "head")

    @contextmanager
    def served_alone(self) -> Iterator[None]:
        """On SQLite nobody else serves it meanwhile: two would tell alerts twice, and pages only half.

        A file system that knows no locks is warned of and served: what cannot be told is no reason to refuse.
        """
        if not self.is_sqlite:
            yield
            return
        self._make_folder()
        path = Path(f"{Path(self.name).resolve()}-served")
        try:
            file = path.open("ab")
        except OSError as error:
            raise Misuse(
                f"cannot open the lock {path} ({error.strerror}); put --data-dir where this user may write"
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misuse(
                    f"another `ganwatch serve` has the database {self.name}; `ganwatch token` prints its "
                    "link, and --data-dir chooses another place"
                ) from None
            except OSError as error:
                log.warning(
                    "cannot lock %s (%s): start no second service of it, or put --data-dir on a local disk",
                    path,
                    error.strerror,
                )
            yield

    @property
    def name(self) -> str:
        """The database as messages call it, without its password."""
        if self.is_sqlite:
            return str(Path(cast("str", self.url.database)).absolute())
        return self.url.render_as_string()

    def close(self) -> None:
        self.engine.dispose()


def insert_into(connection: Connection, table: Any) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, in the database's own dialect."""
    target = cast("Table", getattr(table, "__table__", table))
    if connection.dialect.name == "sqlite":
        return sqlite.insert(target)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - takes a while, and few have it

    return postgresql.insert(target)


def _is_current(connection: Connection) -> bool:
    """Whether the newest migration has been made; their files begin with their numbers."""
    versions = (migrations_directory() / "versions").glob("[0-9]*_*.py")
    newest = max(path.name.partition("_")[0] for path in versions)
    if not inspect(connection).has_table(VERSION_TABLE):
        return False
    made = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()  # noqa: S608
    return made == [newest]


def _readers_of(engine: Engine, is_sqlite: bool) -> Engine:
    if is_sqlite:
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _prepare_sqlite(connection: _DriverConnection, _record: object) -> None:
    connection.isolation_level = None  # the driver leaves BEGIN to _begin_sqlite
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", f"mmap_size = {2**28}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("ganwatch_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _problem_of(error: OperationalError) -> Problem | None:
    """What a client is told when the database cannot write now, but may later."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE} or _sqlstate(error) == "53100":
        return Problem(
            507, "disk-full", "The disk of the database is full. Nothing was stored; try again later."
        )
    if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
        return Problem(
            503, "busy", "Another program holds the database. Nothing was stored; try again later."
        )
    return None


def _sqlstate(error: OperationalError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _first_line(error: DatabaseError) -> str:
    return (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
