"""Measures one tracker in a process of its own: ``python -m benchmarks.trackers.measuring NAME WHAT STEPS``.

``WHAT`` is ``cost`` (50 scalars a step) or ``spikes`` (one series with 20 spikes). The answer is one line of
JSON. CPU is that of this process and of all below it, from the first call of log until everything is durable,
without what loading and starting took. Needs nothing but psutil and the tracker.
"""

from __future__ import annotations

import importlib
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

SERIES = 50
SPIKES = 20
NAMES = [f"layer/{i:02d}/weight_norm" for i in range(SERIES)]


def cpu_seconds() -> float:
    me = psutil.Process()
    mine = me.cpu_times()
    total = mine.user + mine.system + mine.children_user + mine.children_system
    for child in me.children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure_cost(tracker: Any, folder: Path, steps: int) -> dict[str, float]:
    chance = random.Random(0)
    rows = [{series: chance.gauss(0, 1) for series in NAMES} for _ in range(min(steps, 500))]
    tracker.log(rows[0], 0)
    before, before_cpu, began = bytes_below(folder), cpu_seconds(), time.perf_counter()
    taken = []
    for step in range(1, steps + 1):
        started = time.perf_counter_ns()
        tracker.log(rows[step % len(rows)], step)
        taken.append(time.perf_counter_ns() - started)
    tracker.finish()
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - before_cpu
    tracker.settle()
    scalars = steps * SERIES
    return {
        "p50": statistics.median(taken) / 1000,
        "p99": sorted(taken)[steps * 99 // 100] / 1000,
        "cpu": cpu * 1e6 / scalars,
        "rate": scalars / seconds,
        "bytes": (bytes_below(folder) - before) / scalars,
    }


def measure_spikes(tracker: Any, folder: Path, steps: int) -> dict[str, int | None]:
    chance = random.Random(0)
    spikes = set(range(steps // (2 * SPIKES), steps, steps // SPIKES))
    for step in range(steps):
        tracker.log({"spiked": chance.gauss(0, 1) + 1000 * (step in spikes)}, step)
    tracker.finish()
    kept = tracker.kept(folder, "spiked")
    tracker.settle()
    return {"kept": kept, "spikes": len(spikes)}


def main(name: str, what: str, steps: int) -> None:
    tracker = importlib.import_module(f"benchmarks.trackers.{name}")
    steps = max(int(steps * tracker.SHARE), 100)
    with tempfile.TemporaryDirectory() as directory:
        tracker.start(Path(directory))
        measure = measure_cost if what == "cost" else measure_spikes
        print(json.dumps({"with": tracker.WITH, **measure(tracker, Path(directory), steps)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
