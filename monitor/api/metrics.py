"""What the service counts about itself, as Prometheus reads it."""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

from monitor.protocol import Batch, Points
from monitor.store.census import Census

#: Bounds of the histogram of ingest times, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches = 0
        self._points = 0
        self._rejected = 0
        self._refused: Counter[str] = Counter()
        #: Batches by the bucket their time falls into, the last without bound; and all seconds.
        self._taken = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def count_batch(self, batch: Batch, rejected: int, seconds: float) -> None:
        points = sum(
            len(record.values) * _rows(record) for record in batch.records if isinstance(record, Points)
        )
        with self._lock:
            self._batches += 1
            self._points += points
            self._rejected += rejected
            self._taken[bisect_left(BUCKETS, seconds)] += 1
            self._seconds += seconds

    def count_refusal(self, reason: str) -> None:
        with self._lock:
            self._refused[reason] += 1

    def text(self, census: Census, *, judging: int, streams: int) -> str:
        """In the text format of Prometheus, version 0.0.4."""
        with self._lock:
            batches, points, rejected = self._batches, self._points, self._rejected
            refused, taken, seconds = dict(self._refused), list(self._taken), self._seconds
        lines = [
            *_metric("ingest_batches_total", "counter", "Batches received and stored.", batches),
            *_metric("ingest_points_total", "counter", "Points in those batches.", points),
            *_metric(
                "ingest_rejected_total", "counter", "Values in those batches that were refused.", rejected
            ),
            *_labelled("ingest_refused_total", "counter", "Batches refused, by reason.", "reason", refused),
            *_histogram("ingest_seconds", "Time that storing a batch took.", taken, seconds),
            *_labelled("runs", "gauge", "Runs by state.", "state", census.runs),
            *_metric("dropped_records", "gauge", "Records that trainings could not keep.", census.dropped),
            *_metric("tail_batches", "gauge", "Batches not yet compacted.", census.tail_batches),
            *_metric("judging_queue", "gauge", "Runs that wait for being judged here.", judging),
            *_metric(
                "detector_lag_marks",
                "gauge",
                "Marks the slowest detector of a running run has not read; one waits for its values.",
                census.detector_lag,
            ),
            *_metric("outbox_pending", "gauge", "Notifications not yet delivered.", census.outbox_pending),
            *_metric("database_bytes", "gauge", "Size of the database.", census.database_bytes),
            *_metric("event_streams", "gauge", "Pages that listen for changes.", streams),
            *_metric("resident_memory_bytes", "gauge", "Memory of the process.", _resident_bytes()),
        ]
        return "\n".join(lines) + "\n"


def _rows(record: Points) -> int:
    return len(record.sequence) // 8 if isinstance(record.sequence, bytes) else len(record.sequence)


def _metric(name: str, kind: str, help_text: str, value: float) -> list[str]:
    return [*_head(name, kind, help_text), f"ganwatch_{name} {value}"]


def _labelled(name: str, kind: str, help_text: str, label: str, values: Mapping[str, int]) -> list[str]:
    samples = [f'ganwatch_{name}{{{label}="{_escape(key)}"}} {value}' for key, value in values.items()]
    return [*_head(name, kind, help_text), *samples]


def _histogram(name: str, help_text: str, counts: list[int], total: float) -> list[str]:
    bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
    cumulated = list(accumulate(counts))
    buckets = [
        f'ganwatch_{name}_bucket{{le="{bound}"}} {count}'
        for bound, count in zip(bounds, cumulated, strict=True)
    ]
    sums = [f"ganwatch_{name}_sum {total}", f"ganwatch_{name}_count {cumulated[-1]}"]
    return [*_head(name, "histogram", help_text), *buckets, *sums]


def _head(name: str, kind: str, help_text: str) -> list[str]:
    return [f"# HELP ganwatch_{name} {help_text}", f"# TYPE ganwatch_{name} {kind}"]


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _resident_bytes() -> int:
    """As Linux tells it; 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
