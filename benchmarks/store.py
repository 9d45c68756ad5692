"""How fast the store takes points in, how fast it draws them, and how small it keeps them.

    python -m benchmarks.store [--points 10000000] [--url sqlite:///...]

Beside each number stands what it is compared with: a bare SQLite that appends the same bytes with the same
durability (WAL, synchronous = FULL), and the 8 bytes that a float64 takes.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sqlalchemy import func, select

from monitor import protocol
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.ingest import apply_batch
from monitor.store.picture import query_points
from monitor.store.schema import Chunk, Summary

SERIES = 50
ROWS = 1000
BUCKETS = 2000
NOW = 1.7e9


def batches(names: list[str], total: int, rows: int) -> Iterator[protocol.Batch]:
    """A run that logs ``total`` rows: wall times with jitter, values with every bit in use."""
    chance = np.random.default_rng(0)
    begin = protocol.Begin(sequence=1, time=NOW, project="benchmark", name="benchmark")
    yield protocol.Batch(writer="w", first=1, last=1, checksums=bytes(4), records=[begin])
    chain = zlib.crc32(bytes(4))
    clock = NOW
    for start in range(0, total, rows):
        count = min(rows, total - start)
        times = clock + np.cumsum(0.02 + 0.002 * chance.random(count))
        clock = times[-1]
        checksums = chance.bytes(4 * count)
        points = protocol.Points(
            names=names,
            sequence=protocol.encode_integers(np.arange(start + 2, start + 2 + count)),
            step=protocol.encode_integers(np.arange(start, start + count)),
            time=protocol.encode_floats(times),
            values=[protocol.encode_floats(chance.normal(size=count)) for _ in names],
        )
        yield protocol.Batch(
            writer="w",
            first=start + 2,
            last=start + 1 + count,
            chain=chain,
            checksums=checksums,
            records=[points],
        )
        chain = zlib.crc32(checksums, chain)


def measure_ingest(db: Database) -> float:
    """Values a second, each batch durable before the next is sent."""
    begin, *rest = batches([f"series/{i}" for i in range(SERIES)], 60 * ROWS, ROWS)
    apply_batch(db, "ingest", begin, NOW)
    started = time.perf_counter()
    for batch in rest:
        apply_batch(db, "ingest", batch, NOW)
    return len(rest) * SERIES * ROWS / (time.perf_counter() - started)


def measure_bare_sqlite(folder: Path) -> float:
    """The same for a table that gets the bytes of each batch as one row."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE batch (id INTEGER PRIMARY KEY, payload BLOB)")
    payload = np.random.default_rng(0).bytes(8 * SERIES * ROWS)
    started = time.perf_counter()
    for _ in range(60):
        connection.execute("INSERT INTO batch (payload) VALUES (?)", (payload,))
    elapsed = time.perf_counter() - started
    connection.close()
    return 60 * SERIES * ROWS / elapsed


def measure_query(db: Database, run: str) -> float:
    """Milliseconds until the columns of the answer are there: the median of 21, the first not counted."""
    times = []
    for _ in range(22):
        started = time.perf_counter()
        with db.read() as c:
            query_points(c, run, ["a"], BUCKETS)
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[1:])


def fill(db: Database, run: str, points: int) -> float:
    """Write and compact a run of one series; seconds that compacting took."""
    spent = 0.0
    for number, batch in enumerate(batches(["a"], points, 50_000)):
        apply_batch(db, run, batch, NOW)
        if number % 10 == 0:
            started = time.perf_counter()
            compact(db, run)
            spent += time.perf_counter() - started
    started = time.perf_counter()
    compact(db, run)
    return spent + time.perf_counter() - started


def bytes_a_point(db: Database, run: str, points: int) -> float:
    with db.read() as c:
        chunks = c.execute(
            select(func.sum(func.length(Chunk.payload))).where(Chunk.run_id == run)
        ).scalar_one()
        summaries = c.execute(
            select(func.sum(func.length(Summary.entries))).where(Summary.run_id == run)
        ).scalar_one()
    return float(chunks + summaries) / points


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--points", type=int, default=10**7, help="of the longest series")
    arguments.add_argument(
        "--url", default="", help="database to fill; default: a SQLite file that is removed"
    )
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        db = Database(chosen.url or f"sqlite:///{folder}/store.db")
        db.migrate()
        bare = measure_bare_sqlite(Path(folder))
        print(f"{'':44}{'here':>12}{'compare with':>14}")
        print(f"{'ingest, values/s, durable':44}{measure_ingest(db):12,.0f}{bare:14,.0f}  bare SQLite")
        for exponent in range(4, 9):
            points = 10**exponent
            if points > chosen.points:
                break
            run = f"query{exponent}"
            seconds = fill(db, run, points)
            print(f"{f'query of {points:,} points, {BUCKETS} buckets, ms':44}{measure_query(db, run):12.1f}")
            size = bytes_a_point(db, run, points)
            print(f"{f'  bytes a point, {points:,} points':44}{size:12.2f}{8:14.2f}  float64 values alone")
            print(f"{'  compacting, points/s':44}{points / seconds:12,.0f}")
        db.close()


if __name__ == "__main__":
    main()
