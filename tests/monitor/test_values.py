"""Values on their whole way, from `log` into either database and out again: what goes in comes out."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import monitor
from monitor import protocol
from monitor.client.batches import build_batch
from monitor.client.layout import all_spools
from monitor.client.position import Position
from monitor.client.reader import Reader
from monitor.client.run import Run
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.ingest import apply_batch
from monitor.store.runs import get_run
from monitor.store.series import list_series, query_points
from tests.monitor.store.writing import NOW


@contextmanager
def into(db: Database, directory: Path, run_id: str = "run") -> Iterator[Run]:
    """What is logged in the block is delivered at its end, and compacted."""
    with monitor.init(id=run_id, server="", directory=directory) as run:
        yield run
    for spool in all_spools(directory):
        reader, position = Reader(spool, directory / "quarantine", is_dead=True), Position()
        while (portion := reader.read(position, 2**20, 20_000)).entries:
            batch = build_batch(spool.name, portion.entries, position.chain, dropped=0, replayed=False)
            body = protocol.msgpack_encoder.encode(batch)
            apply_batch(db, run_id, protocol.batch_decoder_msgpack.decode(body), NOW)
            position = portion.after
    compact(db, run_id)


def points(db: Database, name: str) -> list[tuple[int, Any]]:
    with db.read() as c:
        columns = query_points(c, "run", [name], 10**6)["series"][name]
    return list(zip(columns["step"], columns["last"], strict=True))


def test_every_kind_of_number_is_the_float64_that_it_is(database: Database, tmp_path: Path) -> None:
    numbers: dict[Any, Any] = {
        "float": (0.1, 0.1),
        "largest": (1.7976931348623157e308, 1.7976931348623157e308),
        "denormal": (5e-324, 5e-324),
        "nan": (math.nan, "NaN"),
        "infinity": (math.inf, "Infinity"),
        "-infinity": (-math.inf, "-Infinity"),
        "bool": (True, 1.0),
        "int": (2**53, float(2**53)),
        "beyond 2^53": (2**60, float(2**60)),
        "float16": (np.float16(0.1), float(np.float16(0.1))),
        "float32": (np.float32(0.1), float(np.float32(0.1))),
        "int8": (np.int8(-7), -7.0),
        "numpy bool": (np.True_, 1.0),
        "0-d array": (np.array(2.5), 2.5),
        "0-d tensor": (torch.tensor(0.1), float(np.float32(0.1))),
        "bfloat16": (torch.tensor(0.1, dtype=torch.bfloat16), 0.10009765625),
        "with a gradient": (torch.tensor(1.5, requires_grad=True), 1.5),
    }
    wrong = {"inexact": 2**53 + 1, "text": "1.0", "none": None, "array": np.zeros(3), "complex": 1j}
    with into(database, tmp_path) as run:
        run.log({name: value for name, (value, _) in numbers.items()} | wrong, step=7)
    assert run.finish().rejected == len(wrong)
    for name, (_, expected) in numbers.items():
        assert points(database, name) == [(7, expected)], name
    with database.read() as c:
        assert {series["name"] for series in list_series(c, "run")} == numbers.keys()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=200))
def test_every_float64_comes_out_as_it_went_in(
    bits: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bits")
    db = Database(f"sqlite:///{folder}/store.db")
    db.migrate()
    expected = [struct.unpack("<d", number.to_bytes(8, "little"))[0] for number in bits]
    with into(db, folder) as run:
        for step, value in enumerate(expected):
            run.log({"a": value}, step=step)
    names = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    found = [names.get(value, value) for _, value in points(db, "a")]
    assert np.array_equal(np.array(found), np.array(expected), equal_nan=True)
    assert [math.copysign(1, value) for value in found if value == 0] == [
        math.copysign(1, value) for value in expected if value == 0
    ]
    db.close()


def test_steps_come_in_any_order_and_equal_ones_in_the_order_of_logging(
    database: Database, tmp_path: Path
) -> None:
    steps = [5, 3, 3, -1, 2**62, 3, 0, 5, -(2**62)]
    with into(database, tmp_path) as run:
        for value, step in enumerate(steps):
            run.log({"a": float(value)}, step=step)
            run.log({"a": value + 0.5, "b": 0.0}, step=step)
    logged = [(step, float(value) + half) for value, step in enumerate(steps) for half in (0.0, 0.5)]
    assert points(database, "a") == sorted(logged, key=lambda point: point[0])


STRANGE = [
    "/",
    "..",
    "%2e%2e%2f",
    ";?#&=\\",
    "〱 ひらがな",
    "\u202eright to left",
    "\x01\x1f\x7f",
    "👩\u200d🚀",
    "e\u0301",
    "\u00e9",
    " ",
    "\ud7ff\ue000\uffff",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE run; --",
]


def test_any_text_is_a_name_and_no_two_are_taken_for_one(database: Database, tmp_path: Path) -> None:
    with into(database, tmp_path) as run:
        run.log({name: float(i) for i, name in enumerate(STRANGE)}, step=1)
    for i, name in enumerate(STRANGE):
        assert points(database, name) == [(1, float(i))], name


def test_a_distribution_is_stored_as_it_was_logged(database: Database, tmp_path: Path) -> None:
    numbers = [math.nan, -math.inf, *(float(i) for i in range(8)), 1e9]
    with into(database, tmp_path) as run:
        run.log_distribution("gn", numbers, step=3)
    with database.read() as c:
        quantiles = query_points(c, "run", ["gn"], 10)["series"]["gn"]["quantiles"]
    assert [quantiles[field] for field in protocol.DISTRIBUTION_FIELDS] == [["NaN"], ["-Infinity"]] + [
        [number] for number in numbers[2:]
    ]


@pytest.mark.slow
def test_a_hundred_thousand_names_are_names(database: Database, tmp_path: Path) -> None:
    names = [f"layer/{i}/norm" for i in range(100_000)]
    with into(database, tmp_path) as run:
        for step in range(3):
            run.log(dict.fromkeys(names, float(step)), step=step)
    with database.read() as c:
        assert get_run(c, "run")["rejected"] == 0
        listed = list_series(c, "run")
    assert [series["name"] for series in listed] == names
    assert {(series["count"], series["last"]) for series in listed} == {(3, 2.0)}
    assert points(database, names[77_777]) == [(0, 0.0), (1, 1.0), (2, 2.0)]
