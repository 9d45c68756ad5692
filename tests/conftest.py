from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, make_url, text

from monitor.store.database import Database

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is written into the user's cache folder. Weights that torch has fetched are read where they
    lie.
    """
    users = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", os.environ.get("TORCH_HOME") or f"{users}/torch")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL server of our own, or the one that GANWATCH_TEST_POSTGRES names."""
    if given := os.environ.get("GANWATCH_TEST_POSTGRES"):
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    if not PROGRAMS:
        pytest.skip("no PostgreSQL programs in /usr/lib/postgresql and no GANWATCH_TEST_POSTGRES")
    programs = PROGRAMS[-1].parent
    # Not pytest's folder: the server runs as somebody who may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="ganwatch-postgres-"))
    user, prefix = _unprivileged(folder)
    data = folder / "data"
    try:
        _run(
            *prefix,
            programs / "initdb",
            "-D",
            data,
            "-U",
            user,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        )
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        start = ("-o", options, "-l", folder / "log", "-w", "start")
        _run(*prefix, programs / "pg_ctl", "-D", data, *start)
        try:
            yield URL.create(
                "postgresql+psycopg", username=user, database="postgres", query={"host": str(folder)}
            )
        finally:
            _run(*prefix, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> tuple[str, tuple[str, ...]]:
    """PostgreSQL refuses to run as root: the user it runs as, and how to become that one."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, ()
    user = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if _exists(name))
    os.chown(folder, user.pw_uid, user.pw_gid)
    identity = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    return user.pw_name, ("setpriv", *identity)


def _exists(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """An empty schema of its own, which is far cheaper than a database."""
    name = f"ganwatch_test_{os.getpid()}_{next(_numbers)}"
    engine = create_engine(postgres_server, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    try:
        url = postgres_server.update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ganwatch.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database as the migrations make it: on SQLite, and on PostgreSQL."""
    made = Database(database_url)
    made.migrate()
    yield made
    made.close()
