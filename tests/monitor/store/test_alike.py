"""The same batches into SQLite and into PostgreSQL: every question has the same answer, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor import protocol
from monitor.exports.csv import write_csv
from monitor.store.alert_documents import list_alerts
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.extract import Extract, Extraction
from monitor.store.filters import filter_runs
from monitor.store.images import list_images
from monitor.store.marks import list_marks
from monitor.store.picture import query_points
from monitor.store.retention import Policy, find_expired, run_sizes
from monitor.store.runs import get_run, list_runs, update_run
from monitor.store.series import list_series
from tests.monitor.store.writing import NOW, Voice

FILTERS = (
    "ÉTÉ", "straße", "STRASSE", "name:*ß*", "tag:ä", "tag:Ä", "config.lr<1", "config.lr=0.1", "config.Lr=0.1",
    'last("*")>0.30000000000000004', 'last("*")>=0.30000000000000004', 'last("*")=nan', 'last("*")=-inf',
    'last("q?")<1e-300', "created>=2023-11-14", "-ended>2020-01-01", "step>100", 'config."a.b":*',
    "%", "_", "\\",
)  # fmt: skip
VALUES = [0.1 + 0.2, math.nan, -math.inf, math.inf, 5e-324, -0.0, 1.7976931348623157e308, 2.0**53, 1 / 3]


def write(db: Database) -> None:
    chance = np.random.default_rng(0)
    for i, (name, tag) in enumerate([("Été", "Ä"), ("Straße", "ä"), ("x_%\\", "%")]):
        voice = Voice(run=f"r{i}").begin(
            time=NOW + i, name=name, tags=[tag], config={"lr": 0.1 * i, "a.b": [None, True]}
        )
        voice.say(protocol.Declare, name="qé", role="Q")
        for batch in range(6):
            steps = chance.integers(0, 500, 120).tolist()
            voice.log(
                {"qé": chance.normal(size=120).tolist(), "b": chance.choice(VALUES, 120).tolist()}, steps
            )
            voice.say(protocol.Mark, index=batch, step=80 * (batch + 1), epoch=batch + 1.0)
            voice.say(protocol.Image, name="g", step=batch, digest=f"{batch:064x}")
            voice.send(db, now=NOW + i)
            if batch in {1, 3}:
                compact(db, f"r{i}")
        voice.log({"last": [VALUES[i]]}, [600])
        voice.log_distributions("d", chance.normal(size=(20, 11)).tolist(), list(range(20))).send(db)
        if i == 1:
            voice.attempt = 1
            voice.say(protocol.Attempt, number=1, parent=0, from_step=250)
            voice.log({"b": [1.0]}, [251]).say(protocol.End, state="failed").send(db, now=NOW + i)
    update_run(db, "r2", notes="schön", archived=True)


def answers(db: Database) -> Iterator[Any]:
    with db.read() as c:
        for text in FILTERS:
            yield text, [run["id"] for run in list_runs(c, condition=filter_runs(c, text, NOW))["runs"]]
        yield list_runs(c, limit=2)
        yield list_alerts(c)
        yield run_sizes(c)
        yield find_expired(c, Policy(seconds=0.0), NOW + 100)
        for run in ("r0", "r1", "r2"):
            yield get_run(c, run), list_series(c, run), list_marks(c, run), list_images(c, run)
            for view in (
                {},
                {"first": 100, "last": 300},
                {"axis": "time", "first": NOW + 50},
                {"axis": "epoch", "first": 1.0, "last": 2.5},
                {"aligned": True},
                {"attempt": 0},
            ):
                for buckets in (1, 7, 100, 10_000):
                    yield query_points(c, run, ["b"], buckets, patterns=["q*", "?"], **view)
    yield b"".join(write_csv(Extraction(db, "r1", Extract(patterns=["*"]))))


@pytest.mark.postgres
def test_both_databases_give_the_same_answers(tmp_path: Path, postgres_url: str) -> None:
    stores = [Database(f"sqlite:///{tmp_path}/ganwatch.db"), Database(postgres_url)]
    for store in stores:
        store.migrate()
        write(store)
    for here, there in zip(*map(answers, stores), strict=True):
        assert repr(here) == repr(there)
    for store in stores:
        store.close()
