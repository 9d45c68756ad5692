"""What a point costs on its whole way: from `run.log` through HTTP into a store that keeps it for good.

    python -m benchmarks.ingest [--rows 20000] [--url postgresql://...]

A run of 50 series logs as fast as it can into a service of its own, a process beside this one. Printed are

- how many numbers a second are durable (SQLite with WAL and synchronous = FULL), from the first `log` until
  `finish` has the last confirmed, and what that took of the CPU, per number, in both processes together;
- what a number costs in bytes written while a run is live, one batch a second: by the client into its spool
  and by the service into its database, as the kernel counts them (``/proc/PID/io``);

beside the limits of the machine: a bare SQLite that appends the same bytes with the same durability, and a
bare server that only receives and decodes the same requests.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import psutil

import monitor
from benchmarks.agreeable import Agreeable
from monitor import protocol
from monitor.client.batches import build_batch
from monitor.client.frames import HEADER_SIZE
from monitor.client.layout import all_spools
from monitor.client.position import Position
from monitor.client.reader import Reader

SERIES = 50
#: Calls of `log` between two batches, where one is sent a second.
ROWS_A_SECOND = 20
LIVE_SECONDS = 30


class Spent(NamedTuple):
    """What a process has used up."""

    cpu: float
    written: int

    def since(self, before: Spent) -> Spent:
        return Spent(self.cpu - before.cpu, self.written - before.written)


def spent(process: psutil.Process) -> Spent:
    times = process.cpu_times()
    return Spent(times.user + times.system, process.io_counters().write_bytes)


@contextmanager
def service(folder: Path, url: str) -> Iterator[tuple[str, psutil.Process]]:
    """The link to a service of our own, and its process."""
    command = [sys.executable, "-m", "monitor.cli", "serve", "--no-open", "--port", "0"]
    command += ["--data-dir", str(folder), *(["--database", url] if url else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            link = process.stdout.readline().removeprefix("ganwatch is at ").strip()
            yield link, psutil.Process(process.pid)
        finally:
            process.terminate()


def values_of(rows: int) -> list[dict[str, float]]:
    names = [f"layer/{i:02d}/weight_norm" for i in range(SERIES)]
    chance = np.random.default_rng(0)
    return [dict(zip(names, row, strict=True)) for row in chance.normal(size=(rows, SERIES)).tolist()]


def measure_flood(link: str, process: psutil.Process, rows: int) -> tuple[float, float, float]:
    """Durable numbers a second, and microseconds of CPU a number: of the client, of the service."""
    table = values_of(min(rows, 1000))
    me = psutil.Process()
    before, before_there = spent(me), spent(process)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        run = monitor.init(id="flood", server=link, directory=directory)
        for step in range(rows):
            run.log(table[step % len(table)], step=step)
        summary = run.finish(timeout=600)
    elapsed = time.perf_counter() - began
    assert summary.pending == summary.dropped == 0, summary
    numbers = rows * SERIES
    here, there = spent(me).since(before), spent(process).since(before_there)
    return numbers / elapsed, here.cpu / numbers * 1e6, there.cpu / numbers * 1e6


def recorded(directory: Path, rows: int, most: int) -> Iterator[bytes]:
    """The requests that a run of so many rows makes, ``most`` records in each."""
    run = monitor.init(id="live", server="", directory=directory, spool_limit=2**40)
    for step, values in enumerate(values_of(rows)):
        run.log(values, step=step, time=1.7e9 + step / ROWS_A_SECOND)
    run.finish()
    (spool,) = all_spools(directory)
    reader, position = Reader(spool, directory / "quarantine"), Position()
    while (portion := reader.read(position, 2**20, most)).entries:
        batch = build_batch(spool.name, portion.entries, position.chain, dropped=0, replayed=False)
        position = portion.after
        yield protocol.msgpack_encoder.encode(batch)


def measure_live(link: str, process: psutil.Process) -> tuple[float, float]:
    """Bytes written a number: into the spool, and by the service."""
    with tempfile.TemporaryDirectory() as directory:
        rows = ROWS_A_SECOND * LIVE_SECONDS
        bodies = list(recorded(Path(directory), rows, ROWS_A_SECOND))
        (spool,) = all_spools(Path(directory))
        spooled = sum(path.stat().st_size for path in spool.glob("*.segment")) - HEADER_SIZE
    url = httpx.URL(link)
    with httpx.Client(headers={"Authorization": f"Bearer {url.params['token']}"}, trust_env=False) as client:
        before = spent(process)
        for body in bodies:
            reply = client.post(url.join("/api/v1/runs/live/batches"), content=body, headers=MSGPACK)
            assert reply.status_code == 200, reply.text
        written = spent(process).since(before).written
    return spooled / (rows * SERIES), written / (rows * SERIES)


MSGPACK = {"Content-Type": protocol.MEDIA_TYPE_MSGPACK}


def serve_bare(ready: Connection) -> None:
    """Receives and decodes, and knows nothing."""
    with HTTPServer(("127.0.0.1", 0), Agreeable) as server:
        ready.send(server.server_port)
        server.serve_forever()


def measure_bare_post(bodies: list[bytes], rows: int) -> float:
    """Numbers a second that a connection carries when nothing is done with them."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    bare = context.Process(target=serve_bare, args=(there,), daemon=True)
    bare.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{here.recv()}", trust_env=False) as client:
            began = time.perf_counter()
            for body in bodies:
                client.post("/", content=body).raise_for_status()
            return rows * SERIES / (time.perf_counter() - began)
    finally:
        bare.kill()
        bare.join()


def measure_bare_sqlite(folder: Path, bodies: list[bytes], rows: int) -> float:
    """Numbers a second where the bytes of each request are one row of a table."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE batch (id INTEGER PRIMARY KEY, payload BLOB)")
    began = time.perf_counter()
    for body in bodies:
        connection.execute("INSERT INTO batch (payload) VALUES (?)", (body,))
    elapsed = time.perf_counter() - began
    connection.close()
    return rows * SERIES / elapsed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=50_000, help="calls of log, 50 numbers each")
    arguments.add_argument("--url", default="", help="database of the service; default: SQLite")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with service(folder / "data", chosen.url) as (link, process):
            written, written_there = measure_live(link, process)
            rate, cpu, cpu_there = measure_flood(link, process, chosen.rows)
        bodies = list(recorded(folder / "recorded", chosen.rows, 20_000))
        bare_post = measure_bare_post(bodies, chosen.rows)
        bare_sqlite = measure_bare_sqlite(folder, bodies, chosen.rows)
    print(f"{'one run, 50 series, float64':58}{'here':>12}{'aim':>12}{'limit':>14}")
    print(f"{'durable numbers/s over HTTP':58}{rate:12,.0f}{1.2e6:12,.0f}{bare_post:14,.0f}  bare POST")
    print(f"{'':58}{'':12}{'':12}{bare_sqlite:14,.0f}  bare SQLite")
    print(f"{'CPU a number until durable, µs':58}{cpu + cpu_there:12.2f}{0.6:12.2f}")
    print(f"{'  of the client':58}{cpu:12.2f}")
    print(f"{'  of the service':58}{cpu_there:12.2f}")
    live = "bytes written a number by the service, a batch a second"
    print(f"{live:58}{written_there:12.1f}{40:12.0f}{8:14.0f}")
    print(f"{'bytes written a number into the spool':58}{written:12.1f}{'':12}{8:14.0f}")


if __name__ == "__main__":
    main()
