"""A copy of an SQLite store as it is at one moment, taken while it is written."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from monitor.errors import Misuse
from monitor.store.database import Database


def back_up(database: Database, target: Path) -> int:
    """Write the store into a new file and answer with its size; :class:`Misuse` where that cannot be.

    SQLite's online backup copies one snapshot; in WAL mode it keeps no writer waiting. The file appears under
    its name only when it is whole, checked, and on the disk.
    """
    if not database.is_sqlite:
        url = database.url.set(drivername="postgresql", password=None).render_as_string()
        raise Misuse(f"PostgreSQL brings its own: pg_dump --format=custom --file={target} '{url}'")
    source = Path(database.name)
    if not source.is_file():
        raise Misuse(f"there is no store at {source}")
    if target.exists():
        raise Misuse(f"{target} exists; a backup never replaces a file")
    beside = target.with_name(f"{target.name}.part-{os.getpid()}")
    try:
        _copy(source, beside)
        _flush(beside)
        os.link(beside, target)
        _flush(target.parent)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Misuse(f"cannot back {source} up into {target}: {reason}") from None
    finally:
        beside.unlink(missing_ok=True)
    return target.stat().st_size


def _flush(path: Path) -> None:
    """Onto the disk: the content of a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    # What is in the store is nobody else's business.
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    with closing(reading), closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
        # One file that is whole by itself: the service turns write-ahead logging on again.
        writing.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = writing.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"the store is damaged: {verdict}")
