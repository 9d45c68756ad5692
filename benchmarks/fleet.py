"""What a thousand runs at once would cost: measured with fewer, then multiplied, openly.

    python -m benchmarks.fleet [--runs 50] [--seconds 60] [--url postgresql://...]

Every run sends what a client does: one batch a second of 2 rows of 50 series, 100 points. First so many runs
at that pace, into a service of its own; then a few as fast as they are answered, which shows where it stops.

    measured    with ``--runs`` runs
    1000 runs   the measured column times 1000 / runs: batches, points, bytes and CPU grow with the runs, for
                no run's batch looks at another's rows. What does not grow like that is printed as it is.

CPU above 100 % is more than one service process can do: then it takes several, on PostgreSQL. On SQLite every
batch is a commit that waits for the disk, one after the other.
"""

from __future__ import annotations

import argparse
import http.client
import tempfile
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil
from sqlalchemy import func, select, text

from benchmarks.ingest import service, spent
from monitor import protocol
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.schema import Base, Batch, Chunk, Summary

FLEET = 1000
SERIES = 50
ROWS = 2
POINTS = SERIES * ROWS
#: Runs that are sent as fast as they are answered.
AT_ONCE = 8
NAMES = [f"layer/{i:02d}/weight_norm" for i in range(SERIES)]


class Run:
    """A writer that is always in time: the batches of a training, without the training."""

    def __init__(self, name: str, link: str) -> None:
        address = urlsplit(link)
        self._path = f"/api/v1/runs/{name}/batches"
        self._headers = {
            "Content-Type": protocol.MEDIA_TYPE_MSGPACK,
            "Authorization": f"Bearer {parse_qs(address.query)['token'][0]}",
        }
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._chance = np.random.default_rng(zlib.crc32(name.encode()))
        self._sequence = self._chain = self._step = 0
        begin = protocol.Begin(sequence=1, time=time.time(), project="fleet", name=name)
        self._send([begin], 1)

    def send(self) -> float:
        """One batch; seconds until the service has it for good."""
        now = time.time()
        rows = [self._sequence + 1 + i for i in range(ROWS)]
        points = protocol.Points(
            names=NAMES,
            sequence=protocol.encode_integers(rows),
            step=protocol.encode_integers([self._step + i for i in range(ROWS)]),
            time=protocol.encode_floats([now + 0.5 * i for i in range(ROWS)]),
            values=[protocol.encode_floats(self._chance.normal(size=ROWS)) for _ in NAMES],
        )
        self._step += ROWS
        began = time.perf_counter()
        self._send([points], ROWS)
        return time.perf_counter() - began

    def _send(self, records: list[protocol.Record], count: int) -> None:
        checksums = self._chance.bytes(4 * count)
        batch = protocol.Batch(
            writer="w",
            first=self._sequence + 1,
            last=self._sequence + count,
            chain=self._chain,
            checksums=checksums,
            records=records,
        )
        self._connection.request("POST", self._path, protocol.msgpack_encoder.encode(batch), self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == http.client.OK, body
        self._sequence += count
        self._chain = zlib.crc32(checksums, self._chain)


@dataclass
class Measured:
    seconds: float
    taken: list[float] = field(default_factory=list)
    cpu: float = 0.0
    written: float = 0.0

    @property
    def batches(self) -> float:
        """A second."""
        return len(self.taken) / self.seconds


def drive(runs: list[Run], seconds: float, pace: float, process: psutil.Process) -> Measured:
    """Every run sends a batch each ``pace`` seconds; 0 is as fast as it is answered."""
    measured = Measured(seconds)
    lock = threading.Lock()
    began = time.perf_counter()

    def send(number: int) -> None:
        due = began + pace * number / len(runs)
        while (now := time.perf_counter()) < began + seconds:
            if now < due:
                time.sleep(due - now)
            taken = runs[number].send()
            due += pace
            with lock:
                measured.taken.append(taken)

    before = spent(process)
    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(send, range(len(runs))))
    measured.seconds = time.perf_counter() - began
    used = spent(process).since(before)
    measured.cpu, measured.written = used.cpu / measured.seconds, used.written / measured.seconds
    return measured


def log_position(database: Database) -> int:
    """Bytes of write-ahead log that PostgreSQL has written; SQLite's are counted with the service's."""
    if database.is_sqlite:
        return 0
    with database.read() as c:
        return int(c.execute(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")).scalar_one())


def compacted_bytes(database: Database, names: list[str]) -> float:
    """Bytes a point once all is compacted, summaries included."""
    for name in names:
        compact(database, name)
    with database.read() as c:
        assert c.execute(select(func.count()).select_from(Batch)).scalar_one() == 0
        sizes = (
            c.execute(select(func.sum(func.length(column)))).scalar_one()
            for column in (Chunk.payload, Summary.entries)
        )
        return float(sum(sizes))


def rows_of(database: Database) -> dict[str, int]:
    with database.read() as c:
        return {
            table.name: c.execute(select(func.count()).select_from(table)).scalar_one()
            for table in Base.metadata.sorted_tables
        }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--runs", type=int, default=50, help="runs that are really there")
    arguments.add_argument("--seconds", type=float, default=60, help="for which they are measured")
    arguments.add_argument("--url", default="", help="an empty PostgreSQL database; default: SQLite")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        database = Database(chosen.url or f"sqlite:///{folder}/ganwatch.db")
        with service(folder, chosen.url) as (link, process):
            runs = [Run(f"fleet-{number}", link) for number in range(chosen.runs)]
            log_before = log_position(database)
            paced = drive(runs, chosen.seconds, 1.0, process)
            paced.written += (log_position(database) - log_before) / paced.seconds
            flood = drive(runs[:AT_ONCE], chosen.seconds / 3, 0.0, process)
        size = compacted_bytes(database, [f"fleet-{number}" for number in range(chosen.runs)])
        points = (len(paced.taken) + len(flood.taken)) * POINTS
        report(paced, flood, size / points, chosen.runs, rows_of(database))
        database.close()


def report(paced: Measured, flood: Measured, kept: float, runs: int, rows: dict[str, int]) -> None:
    factor = FLEET / runs

    def line(what: str, measured: float, unit: str, times: float = factor) -> None:
        print(f"{what:44}{measured:14,.1f}{measured * times:16,.1f}  {unit}")

    days = 86400 / 1e9
    print(f"{'':44}{f'{runs} runs':>14}{f'{FLEET} runs':>16}")
    line("batches, each a row, a transaction, a commit", paced.batches, "a second")
    line("points", paced.batches * POINTS, "a second")
    line("bytes written, log included", paced.written / 1e6, "MB a second")
    line("bytes kept, compacted", kept * paced.batches * POINTS * days, "GB a day")
    line("CPU of the service", 100 * paced.cpu, "% of a core")
    line("connections, one a run", runs, "")
    line("a batch is durable after, p50", 1e3 * float(np.percentile(paced.taken, 50)), "ms", 1)
    line("a batch is durable after, p99", 1e3 * float(np.percentile(paced.taken, 99)), "ms", 1)
    line("bytes kept a point", kept, "", 1)
    print(f"\none process takes {flood.batches:,.0f} batches a second as fast as they are answered: ", end="")
    print(f"{flood.batches:,.0f} runs at this pace, at {100 * flood.cpu:.0f} % of a core")
    print("rows now: " + ", ".join(f"{count:,} {name}" for name, count in rows.items() if count))


if __name__ == "__main__":
    main()
