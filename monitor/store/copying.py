"""From one store into another, whatever database either is in: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Connection, Table, insert, select
from sqlalchemy.exc import DatabaseError

from monitor.errors import Misuse
from monitor.store.database import Database
from monitor.store.revisions import newest_revision, revision_of
from monitor.store.schema import Base

#: Rows on their way at once: an image or a chunk may have megabytes.
AT_ONCE = 64


def store_at(address: str) -> Database:
    """A store by its SQLAlchemy URL or the path of its SQLite file."""
    if "://" in address:
        return Database(address)
    return Database(str(URL.create("sqlite", database=str(Path(address).absolute()))))


def copy_store(source: Database, target: Database) -> dict[str, int]:
    """Copy every row into an empty store; how many, by table. :class:`Misuse` where that cannot be.

    The source is read in one snapshot, so it may be in use. The target's transaction commits at the end: a
    copy that is killed leaves an empty store, and is simply begun again.
    """
    if source.is_sqlite and not Path(source.name).is_file():
        raise Misuse(f"there is no store at {source.name}")
    try:
        with source.read() as reading:
            _require_newest(reading, source)
            target.migrate()
            with target.write() as writing:
                tables = Base.metadata.sorted_tables
                if any(writing.execute(select(table).limit(1)).first() for table in tables):
                    raise Misuse(f"the store {target.name} is not empty; copy into one that is")
                return {table.name: _copy_table(reading, writing, table) for table in tables}
    except DatabaseError as error:
        reason = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
        raise Misuse(f"cannot copy {source.name} into {target.name}: {reason}") from None


def _require_newest(reading: Connection, source: Database) -> None:
    revision = revision_of(reading)
    if revision is None:
        raise Misuse(f"{source.name} is no store of ganwatch")
    if revision != newest_revision():
        raise Misuse(
            f"the store {source.name} has schema {revision} and this ganwatch {newest_revision()}; "
            "bring it up to date with `ganwatch migrate --database` first"
        )


def _copy_table(reading: Connection, writing: Connection, table: Table) -> int:
    copied = 0
    for rows in _pages(reading, table):
        writing.execute(insert(table), rows)
        copied += len(rows)
    return copied


def _pages(reading: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    query = select(table).execution_options(yield_per=AT_ONCE)
    with reading.execute(query) as result:
        for page in result.mappings().partitions():
            yield [dict(row) for row in page]
