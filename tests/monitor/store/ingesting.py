"""Ingests and compacts until it is killed, and says what was acknowledged: DATABASE FIRST_BATCH."""

from __future__ import annotations

import itertools
import sys
import threading

from monitor.protocol import Batch
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.ingest import apply_batch
from tests.monitor.store.writing import NOW, Voice

ROWS = 20


def batches_from(first: int) -> Voice:
    """The writer as it stands before its batch ``first``: what it says is always the same."""
    voice = Voice().begin()
    for number in range(first):
        next_batch(voice, number)
    return voice


def next_batch(voice: Voice, number: int) -> Batch:
    steps = list(range(number * ROWS, (number + 1) * ROWS))
    voice.log({"a": [float(step) for step in steps], "b": [-float(step) for step in steps]}, steps)
    return voice.batch()


def compact_for_ever(db: Database) -> None:
    while True:
        compact(db, "r")


def main(url: str, first: int) -> None:
    db = Database(url)
    db.migrate()
    threading.Thread(target=compact_for_ever, args=(db,), daemon=True).start()
    voice = batches_from(first)
    for number in itertools.count(first):
        apply_batch(db, "r", next_batch(voice, number), NOW)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
