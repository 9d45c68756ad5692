"""What a call of `run.log` costs the training thread, beside what the machine itself asks for the same bytes.

Run with ``python -m benchmarks.client_log``. The rows:

    os.write, a bare append of as many bytes to a file    the limit of the machine: nothing durable costs less
    run.log, 50 floats                                    without a server: the spool alone
    run.log, 50 floats, delivering                        with a sender whose every batch is answered at once
    run.log, 50 floats, server down                       where nothing listens at the server's address
    run.log, 50 floats, server silent                     where connections are taken and nothing is answered
    run.log, 50 NumPy scalars                             float32, as NumPy's means come
    run.log, 50 mixed values                              integers and 0-d arrays: each is looked at
"""

from __future__ import annotations

import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np

import monitor
from benchmarks.agreeable import Agreeable

CALLS = 20_000
SCALARS = 50


def measure(call: Callable[[int], object]) -> tuple[float, float, float]:
    """p50, p99 and p99.9 of one call, in microseconds."""
    for step in range(500):
        call(step)
    taken = np.empty(CALLS)
    for step in range(CALLS):
        began = time.perf_counter_ns()
        call(step)
        taken[step] = time.perf_counter_ns() - began
    p50, p99, p999 = np.percentile(taken, [50, 99, 99.9]) / 1000
    return float(p50), float(p99), float(p999)


def log(run: monitor.Run, values: dict[str, object], step: int) -> None:
    run.log(values, step=step)


def report(what: str, figures: tuple[float, float, float]) -> None:
    print(f"{what:45s}" + "".join(f"{figure:10.1f}" for figure in figures))


def main() -> None:
    names = [f"layer/{i:02d}/weight_norm" for i in range(SCALARS)]
    floats: dict[str, object] = {name: random.random() for name in names}
    small: dict[str, object] = {name: np.float32(random.random()) for name in names}
    kinds: tuple[Callable[[float], object], ...] = (int, np.float64, np.array)
    mixed: dict[str, object] = {name: kinds[i % 3](random.random() * 100) for i, name in enumerate(names)}
    print(f"{'microseconds a call':45s}{'p50':>10s}{'p99':>10s}{'p99.9':>10s}")
    with tempfile.TemporaryDirectory() as directory:
        run = monitor.init(directory=directory, server="")
        run.log(floats, step=0)
        (segment,) = Path(directory).glob("spool/*/*/*.segment")
        before = segment.stat().st_size
        run.log(floats, step=0)
        frame = bytes(segment.stat().st_size - before)
        bare = os.open(Path(directory) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        report(f"os.write, {len(frame)} bytes", measure(lambda _: os.write(bare, frame)))
        os.close(bare)
        for what, values in (("floats", floats), ("NumPy scalars", small), ("mixed values", mixed)):
            report(f"run.log, {SCALARS} {what}", measure(partial(log, run, values)))
        run.finish()
    with (
        tempfile.TemporaryDirectory() as directory,
        ThreadingHTTPServer(("127.0.0.1", 0), Agreeable) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = monitor.init(directory=directory, server=f"http://127.0.0.1:{server.server_port}")
        report(f"run.log, {SCALARS} floats, delivering", measure(partial(log, run, floats)))
        print(run.finish())
        server.shutdown()
    for what, listens in (("down", False), ("silent", True)):
        with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            if not listens:
                taken.close()
            run = monitor.init(directory=directory, server=f"http://127.0.0.1:{port}")
            report(f"run.log, {SCALARS} floats, server {what}", measure(partial(log, run, floats)))
            print(run.finish(timeout=0))


if __name__ == "__main__":
    main()
