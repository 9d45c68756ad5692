"""What the service counts about itself, as Prometheus reads it."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from monitor.protocol import Batch, Points


class Metrics:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches = 0
        self._points = 0
        self._refused: Counter[str] = Counter()

    def count_batch(self, batch: Batch) -> None:
        points = sum(
            len(record.values) * _rows(record) for record in batch.records if isinstance(record, Points)
        )
        with self._lock:
            self._batches += 1
            self._points += points

    def count_refusal(self, reason: str) -> None:
        with self._lock:
            self._refused[reason] += 1

    def text(self, runs_by_state: Mapping[str, int], outbox_pending: int, streams: int) -> str:
        with self._lock:
            batches, points, refused = self._batches, self._points, dict(self._refused)
        lines = [
            *_metric("ingest_batches_total", "counter", "Batches received and stored.", {"": batches}),
            *_metric("ingest_points_total", "counter", "Points in those batches.", {"": points}),
            *_metric("ingest_refused_total", "counter", "Batches refused, by reason.", refused, "reason"),
            *_metric("runs", "gauge", "Runs by state.", runs_by_state, "state"),
            *_metric("outbox_pending", "gauge", "Notifications not yet delivered.", {"": outbox_pending}),
            *_metric("event_streams", "gauge", "Pages that listen for changes.", {"": streams}),
            *_metric("resident_memory_bytes", "gauge", "Memory of the process.", {"": _resident_bytes()}),
        ]
        return "\n".join(lines) + "\n"


def _rows(record: Points) -> int:
    return len(record.sequence) // 8 if isinstance(record.sequence, bytes) else len(record.sequence)


def _metric(name: str, kind: str, help_text: str, values: Mapping[str, int], label: str = "") -> list[str]:
    name = f"ganwatch_{name}"
    samples = [
        f'{name}{{{label}="{key}"}} {value}' if label else f"{name} {value}" for key, value in values.items()
    ]
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *samples]


def _resident_bytes() -> int:
    """As Linux tells it; 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
