"""How small the store keeps points, how fast it draws them, and whether drawing holds up those who log.

    python -m benchmarks.store [--points 100000000] [--seconds 20] [--folder DIR]

- bytes a point on noise, float64, after compaction, with the summaries, and of the database's file;
- a chart of 2000 buckets over 10^4, 10^6, 10^7 and 10^8 points, whole and zoomed: what the server takes from
  the question to the encoded answer; beside it what the machine takes to read as many numbers from memory;
- 20 spikes of +1000, a point each, hidden in 10^6 points of noise: how many show at every zoom;
- how long a batch waits for its answer while 20 readers each redraw 8 charts of 10^7 points once a second;
- how long the service takes from its start to its first answer, and its memory, beside an empty FastAPI.

The points are written through the chunk writer, as the compactor does it; only the batches go over HTTP.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import numpy as np
import psutil
from sqlalchemy import func, select

from monitor import protocol
from monitor.store.chunks import Columns
from monitor.store.database import Database, insert_into
from monitor.store.growth import Growth, store_pieces
from monitor.store.ingest import apply_batch
from monitor.store.picture import query_points
from monitor.store.schema import Chunk, Series, Summary, Total

BUCKETS = 2000
NOW = 1.7e9
PIECE = 2**20
READERS, CHARTS, LONG = 20, 8, 10**7
SPIKES = 20
SERVE = ("-m", "monitor.cli", "serve", "--port", "0", "--no-open", "--data-dir")
EMPTY_SERVICE = """
import socket, uvicorn
from fastapi import FastAPI
app = FastAPI()
app.get("/")(lambda: {})
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
print(f"at http://127.0.0.1:{listener.getsockname()[1]}/?token=x", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
"""


def show(what: str, here: str, aim: str = "", compared: str = "") -> None:
    print(f"{what:58}{here:>12}{aim:>12}  {compared}", flush=True)


def begin(db: Database, run: str) -> None:
    record = protocol.Begin(sequence=1, time=NOW, project="benchmark", name=run)
    apply_batch(db, run, protocol.Batch(writer="w", first=1, last=1, records=[record]), NOW)


def noise(first: int, count: int, chance: np.random.Generator) -> Columns:
    """Wall times with jitter, values with every bit in use."""
    steps = np.arange(first, first + count)
    times = NOW + 0.02 * steps + 0.002 * chance.random(count)
    return Columns(steps, times, chance.normal(size=(count, 1)))


def fill(db: Database, run: str, points: int, names: list[str], spikes: list[int] | None = None) -> None:
    """A run whose series have so many points, straight into chunks."""
    begin(db, run)
    chance = np.random.default_rng(0)
    for series, name in enumerate(names):
        with db.write() as c:
            c.execute(
                insert_into(c, Series).values(
                    run_id=run, id=series, name=name, kind="scalar", unit="", direction="none", help=""
                )
            )
            total = {"count": points, "non_finite": 0, "first_step": 0, "last_step": points - 1}
            c.execute(
                insert_into(c, Total).values(
                    run_id=run, series_id=series, attempt=0, last_time=NOW, last="0.0", compacted=0, **total
                )
            )
        for first in range(0, points, PIECE):
            columns = noise(first, min(PIECE, points - first), chance)
            for spike in spikes or []:
                if first <= spike < first + len(columns):
                    columns.values[spike - first] += 1000
            with db.read() as c:
                piece = Growth(c, run, series, 0).extend(columns, first)
            with db.write() as c:
                store_pieces(c, run, [piece])


def bytes_a_point(db: Database, run: str, points: int) -> float:
    with db.read() as c:
        sizes = [
            c.execute(select(func.sum(func.length(column))).where(column.class_.run_id == run)).scalar_one()
            for column in (Chunk.payload, Summary.entries)
        ]
    return float(sum(sizes)) / points


def draw(db: Database, run: str, **view: Any) -> dict[str, Any]:
    with db.read() as c:
        columns: dict[str, Any] = query_points(c, run, ["a"], BUCKETS, **view)["series"]["a"]
    return columns


def median_ms(action: Callable[[], object], repeats: int = 21) -> float:
    """The first is not counted."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def measure_queries(db: Database, most: int) -> None:
    numbers = np.random.default_rng(0).normal(size=min(most, LONG))
    for exponent, aim in ((4, 10), (6, 10), (7, 15), (8, 30)):
        points = 10**exponent
        if points > most:
            continue
        run = f"query{exponent}"
        started = time.perf_counter()
        fill(db, run, points, ["a"])
        rate = points / (time.perf_counter() - started)
        whole = median_ms(lambda run=run: msgspec.json.encode(draw(db, run)))  # type: ignore[misc]
        middle = {"first": points * 0.4, "last": points * 0.6}
        zoomed = median_ms(lambda run=run, view=middle: msgspec.json.encode(draw(db, run, **view)))  # type: ignore[misc]
        bare = median_ms(lambda count=points: (numbers[:count].min(), numbers[:count].max()))  # type: ignore[misc]
        compared = f"min and max of {min(points, LONG):,} numbers in memory: {bare:.1f}"
        show(f"chart of {BUCKETS} buckets over {points:,} points, ms", f"{whole:.1f}", f"{aim}", compared)
        show("  a fifth of it, from the middle", f"{zoomed:.1f}", f"{aim}")
        size = f"{bytes_a_point(db, run, points):.2f}"
        show("  bytes a point", size, "12", f"8 for the value alone; compacted at {rate:,.0f} points/s")


def measure_spikes(db: Database) -> None:
    points = 10**6
    at = np.sort(np.random.default_rng(1).choice(points, SPIKES, replace=False)).tolist()
    fill(db, "spikes", points, ["a"], at)
    fewest = SPIKES
    for buckets in (20, 100, 500, 2000, 10_000):
        with db.read() as c:
            columns = query_points(c, "spikes", ["a"], buckets)["series"]["a"]
        drawn = zip(columns["first"], columns["step"], columns["max"], strict=True)
        high = [(first, last) for first, last, most in drawn if most > 500]
        fewest = min(fewest, sum(any(first <= spike <= last for first, last in high) for spike in at))
    for spike in at:
        for width in (10, 1000, 100_000):
            columns = draw(db, "spikes", first=spike - width, last=spike + width)
            fewest -= max(columns["max"]) < 500
    show("spikes that show at every zoom, of 20 in 1,000,000", f"{fewest}", f"{SPIKES}", "best peer: 4")


@contextmanager
def service(*command: str) -> Iterator[tuple[psutil.Process, str, str, float]]:
    """A service in a process of its own: the process, its address and token, seconds until it answered."""
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            link = urlsplit(process.stdout.readline().split()[-1])
            address, token = f"{link.scheme}://{link.netloc}", parse_qs(link.query)["token"][0]
            httpx.get(f"{address}/", headers={"Authorization": f"Bearer {token}"}).raise_for_status()
            yield psutil.Process(process.pid), address, token, time.perf_counter() - started
        finally:
            process.terminate()


def measure_start(folder: Path) -> None:
    arguments = (
        "-m",
        "monitor.cli",
        "serve",
        "--port",
        "0",
        "--no-open",
        "--data-dir",
        str(folder / "start"),
    )
    seconds: dict[str, list[float]] = {"here": [], "empty": []}
    memory: dict[str, float] = {}
    for name, command in 3 * [("empty", ("-c", EMPTY_SERVICE)), ("here", arguments)]:
        with service(*command) as (process, *_, elapsed):
            seconds[name].append(elapsed)
            memory[name] = process.memory_info().rss / 1e6
    here, empty = (statistics.median(seconds[name]) for name in ("here", "empty"))
    show("server start to first answer, s", f"{here:.2f}", "1.5", f"an empty FastAPI: {empty:.2f}")
    show("  its memory, MB", f"{memory['here']:.0f}", "100", f"an empty FastAPI: {memory['empty']:.0f}")


def batches() -> Iterator[protocol.Batch]:
    """What a live run of 50 series sends once a second: 20 rows."""
    record = protocol.Begin(sequence=1, time=NOW, project="benchmark", name="live")
    yield protocol.Batch(writer="w", first=1, last=1, checksums=bytes(4), records=[record])
    chance, chain, number = np.random.default_rng(0), zlib.crc32(bytes(4)), 0
    while True:
        first, rows = 2 + 20 * number, np.arange(20) + 20 * number
        checksums = chance.bytes(80)
        points = protocol.Points(
            names=[f"series/{i}" for i in range(50)],
            sequence=protocol.encode_integers(rows + 2),
            step=protocol.encode_integers(rows),
            time=protocol.encode_floats(NOW + 0.05 * rows),
            values=[protocol.encode_floats(chance.normal(size=20)) for _ in range(50)],
        )
        yield protocol.Batch(
            writer="w", first=first, last=first + 19, chain=chain, checksums=checksums, records=[points]
        )
        chain, number = zlib.crc32(checksums, chain), number + 1


def measure_ingest(address: str, token: str, seconds: float, readers: int, points: int) -> None:
    """A live run sends 20 batches a second, as 20 workers would, while pages redraw."""
    stop = threading.Event()
    drawn, errors = [], []

    def read(reader: int) -> None:
        chance = np.random.default_rng(reader)
        with httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=60) as client:
            while not stop.is_set():
                started = time.perf_counter()
                first, last = np.sort(chance.integers(0, points, 2))
                for chart in range(CHARTS):
                    view = {"name": f"s{chart}", "buckets": BUCKETS, "from": int(first), "to": int(last)}
                    answer = client.get("/runs/long/points", params=view)
                    drawn.append(time.perf_counter())
                    if answer.status_code != 200:
                        errors.append(answer.text)
                stop.wait(max(0.0, 1 - (time.perf_counter() - started)))

    headers = {"Authorization": f"Bearer {token}"}
    run = f"live{readers}"
    waited: list[float] = []
    with ThreadPoolExecutor(readers + 1) as pool, httpx.Client(headers=headers, timeout=60) as client:
        reading = [pool.submit(read, reader) for reader in range(readers)]
        end = time.perf_counter() + seconds
        for batch in batches():
            body = protocol.msgpack_encoder.encode(batch)
            started = time.perf_counter()
            answer = client.post(
                f"{address}/api/v1/runs/{run}/batches",
                content=body,
                headers={"Content-Type": protocol.MEDIA_TYPE_MSGPACK},
            )
            waited.append(time.perf_counter() - started)
            if answer.status_code != 200:
                errors.append(answer.text)
            if time.perf_counter() > end:
                break
            time.sleep(max(0.0, 0.05 - waited[-1]))
        stop.set()
        for each in reading:
            each.result()
    p50, p99 = (1000 * float(np.quantile(waited[1:], q)) for q in (0.5, 0.99))
    what = f"ingest p99, ms, while {readers} readers draw" if readers else "ingest p99, ms, nobody reads"
    show(what, f"{p99:.1f}", "50", f"p50 {p50:.1f}; {len(drawn) / seconds:.0f} charts/s drawn")
    show("  answers other than 200", f"{len(errors)}", "0", errors[0][:60] if errors else "")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--points", type=int, default=10**8, help="of the longest series")
    arguments.add_argument("--seconds", type=float, default=20.0, help="how long readers and writer meet")
    arguments.add_argument("--folder", default="", help="where the databases lie for the while")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder or None) as name:
        folder = Path(name)
        show("", "here", "aim", "compared with")
        measure_start(folder)
        db = Database(f"sqlite:///{folder}/ganwatch.db")
        db.migrate()
        measure_spikes(db)
        measure_queries(db, chosen.points)
        long = min(chosen.points, LONG)
        fill(db, "long", long, [f"s{chart}" for chart in range(CHARTS)])
        db.close()
        with service(*SERVE, name) as running:
            process, address, token, _ = running
            for readers in (0, READERS):
                measure_ingest(address, token, chosen.seconds, readers, long)
            show("  the service's memory then, MB", f"{process.memory_info().rss / 1e6:.0f}")


if __name__ == "__main__":
    main()
