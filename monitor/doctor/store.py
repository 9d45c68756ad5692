"""The database: reachable, of the right schema, and whole. It is opened so that nothing can be written."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine, func, select, text
from sqlalchemy.exc import DatabaseError

from monitor.doctor.findings import Finding, note, ok, size_of, wrong
from monitor.store.chunks import ChunkError, decode_chunk
from monitor.store.database import Database
from monitor.store.revisions import newest_revision, revision_of
from monitor.store.schema import Batch, Chunk, DamagedBatch, Outbox, Run, Series, Total

#: Clocks that differ by more seconds than this make runs look lost.
SKEW = 10.0
#: Batches that wait for being compacted, a run.
MANY_BATCHES = 2000
#: Seconds after which a notification that cannot be delivered is worth a word.
LATE = 3600.0


def examine_store(url: str) -> Iterator[Finding]:
    database = Database(url)
    if database.is_sqlite and not Path(database.name).is_file():
        yield note("store", f"none yet; `ganwatch serve` makes {database.name}")
        return
    try:
        with _reading(database) as c:
            yield from _examine(c, database)
    except DatabaseError as error:
        said = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
        yield wrong(
            "store", f"{database.name} cannot be read: {said}", "check its address, rights and password"
        )
    finally:
        database.close()


def _examine(c: Connection, database: Database) -> Iterator[Finding]:
    revision = revision_of(c)
    if revision is None:
        yield wrong(
            "store", f"{database.name} is no store of ganwatch", "give ganwatch a database of its own"
        )
        return
    if revision != newest_revision():
        remedy = "`ganwatch migrate` brings an older one up to date; a newer one needs the newer ganwatch"
        yield wrong("schema", f"{revision}, and this ganwatch has {newest_revision()}", remedy)
        return
    yield ok("schema", revision)
    if database.is_sqlite:
        verdict = str(c.execute(text("PRAGMA quick_check(1)")).scalar())
        if verdict != "ok":
            yield wrong("store", f"{database.name} is damaged: {verdict}", "restore the newest backup")
            return
    size, runs = _size(c, database), c.execute(select(func.count()).select_from(Run)).scalar_one()
    yield ok("store", f"{database.name}: {runs:,} runs, {size_of(size)}")
    yield from _examine_clock(c, database)
    yield from _examine_chunks(c)
    yield from _examine_tails(c)
    yield from _examine_damaged(c)
    yield from _examine_outbox(c)


def _examine_clock(c: Connection, database: Database) -> Iterator[Finding]:
    now = time.time()
    if not database.is_sqlite:
        ahead = now - float(c.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        if abs(ahead) > SKEW:
            where = "ahead of" if ahead > 0 else "behind"
            detail = f"{abs(ahead):.0f} s {where} the database's"
            yield wrong("clock", detail, "let both machines synchronize theirs")
    newest = c.execute(select(func.max(Run.last_seen))).scalar()
    if newest is not None and newest > now + SKEW:
        detail = f"a run was heard of {newest - now:.0f} s in the future"
        yield wrong("clock", detail, "the clock was wrong then or is now; synchronize it")


def _examine_chunks(c: Connection) -> Iterator[Finding]:
    """Every chunk is opened, and counted against what its series is said to hold."""
    damaged: dict[tuple[str, int], str] = {}
    counts: dict[tuple[str, int, int], int] = {}
    chunks = select(Chunk.run_id, Chunk.series_id, Chunk.attempt, Chunk.payload).execution_options(
        yield_per=64
    )
    total = 0
    for run, series, attempt, payload in c.execute(chunks):
        total += 1
        try:
            held = len(decode_chunk(payload))
        except ChunkError as error:
            damaged[run, series] = str(error)
            continue
        counts[run, series, attempt] = counts.get((run, series, attempt), 0) + held
    for run, series, attempt, compacted in c.execute(
        select(Total.run_id, Total.series_id, Total.attempt, Total.compacted)
    ):
        held = counts.get((run, series, attempt), 0)
        if held != compacted and (run, series) not in damaged:
            damaged[run, series] = f"{held} points in place of {compacted}"
    for (run, series), reason in sorted(damaged.items()):
        name = c.execute(select(Series.name).where(Series.run_id == run, Series.id == series)).scalar()
        yield wrong(
            "chunks", f"{name!r} of run {run}: {reason}", "restore the newest backup, or delete the run"
        )
    if not damaged:
        yield ok("chunks", f"{total:,}, all sound")


def _examine_tails(c: Connection) -> Iterator[Finding]:
    tails = select(Batch.run_id, func.count()).group_by(Batch.run_id).having(func.count() > MANY_BATCHES)
    for run, count in c.execute(tails):
        remedy = "is a service running? its log says why it does not compact"
        yield wrong("compacting", f"{count:,} batches of run {run} wait", remedy)


def _examine_damaged(c: Connection) -> Iterator[Finding]:
    points = func.sum(DamagedBatch.points)
    reason = func.max(DamagedBatch.reason)
    for run, count, lost, why in c.execute(
        select(DamagedBatch.run_id, func.count(), points, reason).group_by(DamagedBatch.run_id)
    ):
        yield wrong(
            "batches",
            f"{count:,} of run {run} with {lost:,} points were damaged and are set aside: {why}",
            "does the disk fail? A backup from before may have them",
        )


def _examine_outbox(c: Connection) -> Iterator[Finding]:
    waiting = c.execute(
        select(func.count(), func.min(Outbox.created), func.max(Outbox.error)).where(Outbox.outcome.is_(None))
    ).one()
    if waiting[0] and waiting[1] < time.time() - LATE:
        yield wrong(
            "webhook", f"{waiting[0]:,} notifications wait: {waiting[2]}", "check GANWATCH_WEBHOOK_URL"
        )


def _size(c: Connection, database: Database) -> int:
    if database.is_sqlite:
        path = Path(database.name)
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    return int(c.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


@contextmanager
def _reading(database: Database) -> Iterator[Connection]:
    if not database.is_sqlite:
        with database.read() as connection:
            yield connection
        return
    engine = _read_only(Path(database.name).absolute())
    try:
        with engine.connect() as connection:
            # One snapshot: the service may be compacting what is being counted.
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def _read_only(path: Path) -> Engine:
    # Without a log beside it nobody has the file open, and SQLite need not make one to read it.
    is_at_rest = not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)
