from __future__ import annotations

import csv
import io
import math
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from starlette.requests import ClientDisconnect
from starlette.types import Message

import monitor
from monitor import protocol
from monitor.api import answers
from monitor.api.export import MOST_EXPORTS, Download, _exporting
from monitor.exports.csv import harmless
from monitor.portions import decode_frames
from monitor.protocol import DISTRIBUTION_FIELDS
from monitor.reading import ReadError
from monitor.store.compactor import compact
from monitor.store.database import Database
from tests.monitor.api.batches import a_run, batch, points, send
from tests.monitor.api.running import TOKEN, Running
from tests.monitor.store.writing import Voice

VALUES = [0.1, math.nan, -math.inf, 5e-324, 1e308, 2.0**53, -0.0]
FORMULA = '=cmd|"/c calc"!A1,\n'


@pytest.fixture(scope="module")
def whole(service: Running) -> str:
    """A run with a scalar, a distribution and a wicked name, half of it compacted, rewound once."""
    db = service.app.state.service.database
    voice = Voice(run="whole-export").begin()
    voice.log({"loss/g": VALUES, FORMULA: [1.0] * 7}, list(range(7)))
    voice.log_distributions("norms", [[float(i)] * 11 for i in range(3)], [0, 1, 2])
    for index in range(3):
        voice.say(protocol.Mark, index=index, step=3 * index, epoch=float(index))
    voice.send(db)
    compact(db, "whole-export")
    voice.log({"loss/g": [7.0, 8.0]}, [8, 7]).send(db)
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=7).log({"loss/g": [80.0]}, [8]).send(db)
    return "whole-export"


def download(client: httpx.Client, run: str, **query: Any) -> httpx.Response:
    return client.get(f"/api/v1/runs/{run}/export", params=query)


def read(service: Running, run: str, *series: str, **view: Any) -> Any:
    return monitor.read(run, *series, server=service.url, token=TOKEN, **view)


def bits(values: Any) -> list[int]:
    return np.asarray(values, np.float64).view(np.int64).tolist()  # type: ignore[no-any-return]


LOSS = [*VALUES, 8.0, 80.0]


def test_csv_gives_every_number_back_and_no_formula(client: httpx.Client, whole: str) -> None:
    answer = download(client, whole, format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="whole-export.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    loss = [row for row in rows if row["series"] == "loss/g"]
    assert bits([float(row["value"]) for row in loss]) == bits(LOSS)
    assert [int(row["step"]) for row in loss] == [*range(7), 7, 8]
    assert [int(row["attempt"]) for row in loss] == [0] * 8 + [1]
    assert {row["series"] for row in rows} == {"loss/g", "norms", "'" + FORMULA}
    (norm, *_) = [row for row in rows if row["series"] == "norms"]
    assert (norm["value"], norm["p50"], loss[0]["p50"]) == ("", "0.0", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_text_begins_as_a_formula_does(start: str) -> None:
    assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert harmless(f"loss{start}") == f"loss{start}"


def test_arrow_and_parquet_hold_the_same_table(client: httpx.Client, whole: str) -> None:
    streamed = pa.ipc.open_stream(download(client, whole, format="arrow").content).read_all()
    stored = parquet.read_table(io.BytesIO(download(client, whole, format="parquet").content))
    for table in (streamed, stored):
        assert table.column_names == ["series", "attempt", "step", "time", "value", *DISTRIBUTION_FIELDS]
        of_loss = table.filter(pa.compute.equal(table["series"].cast(pa.string()), "loss/g"))
        assert bits(of_loss["value"].to_numpy()) == bits(LOSS)
        assert of_loss["value"].null_count == 0
        assert of_loss["p50"].null_count == len(LOSS)
        norms = table.filter(pa.compute.equal(table["series"].cast(pa.string()), "norms"))
        assert norms["value"].null_count == 3
        assert norms["p50"].to_pylist() == [0.0, 1.0, 2.0]
    assert streamed.to_pydict().keys() == stored.to_pydict().keys()
    plain = pa.ipc.open_stream(download(client, whole, format="arrow", name="loss/g").content).read_all()
    assert plain.column_names == ["series", "attempt", "step", "time", "value"]


def test_a_run_is_read_back_as_arrays(service: Running, whole: str) -> None:
    curves = read(service, whole)
    assert set(curves) == {"loss/g", FORMULA, "norms"}
    loss = curves["loss/g"]
    assert bits(loss.value) == bits(LOSS)
    assert loss.step.tolist() == [*range(7), 7, 8]
    assert loss.attempt.tolist() == [0] * 8 + [1]
    assert curves["norms"].value.shape == (3, 11)
    assert list(read(service, whole, "loss/*", "n?rms")) == ["loss/g", "norms"]
    assert read(service, whole, "loss/g", attempt=0)["loss/g"].value[-1] == 7.0
    assert read(service, whole, "loss/g", first=2, last=5)["loss/g"].step.tolist() == [2, 3, 4, 5]
    assert read(service, whole, "loss/g", axis="epoch", first=1.0, last=2.0)["loss/g"].step.tolist() == [
        3,
        4,
        5,
        6,
    ]
    late = read(service, whole, "loss/g", axis="time", first=float(loss.time[-2]))["loss/g"]
    assert late.step.tolist() == [7, 8]
    assert len(read(service, whole, "nothing*")) == 0


def test_a_run_is_read_back_as_a_frame(service: Running, whole: str) -> None:
    frame = read(service, whole, "loss/g").frame()
    assert list(frame.columns) == ["series", "attempt", "step", "time", "value"]
    assert bits(frame["value"]) == bits(LOSS)
    assert isinstance(frame["time"].dtype, pd.DatetimeTZDtype)
    mixed = read(service, whole).frame()
    assert mixed.groupby("series", observed=True).size().to_dict() == {"loss/g": 9, FORMULA: 7, "norms": 3}
    assert read(service, whole, "nothing*").frame().empty


def test_a_reader_is_told_why_it_cannot_read(service: Running, whole: str) -> None:
    for series, options, says in (
        (["nothing"], {}, "no series 'nothing'"),
        ([], {"run": "nobody"}, "no run 'nobody'"),
        ([], {"run": "../../healthz"}, "Nothing is here"),
        ([], {"attempt": 9}, "no attempt 9"),
        ([], {"token": "wrong-token"}, "token"),
        ([], {"server": "http://127.0.0.1:9"}, "cannot be read"),
    ):
        given = {"server": service.url, "token": TOKEN, **options}
        with pytest.raises(ReadError, match=says):
            monitor.read(given.pop("run", whole), *series, **given)  # type: ignore[misc]


def test_half_an_answer_is_not_taken_for_a_whole_one(client: httpx.Client, whole: str) -> None:
    content = download(client, whole, format="portions").content
    for length in (0, 3, 30, len(content) - 1):
        with pytest.raises(ValueError, match="middle"):
            list(decode_frames([content[:length]]))
    frames = list(decode_frames([content[i : i + 7] for i in range(0, len(content), 7)]))
    assert len(frames) > 3


def test_reading_needs_only_what_the_client_needs() -> None:
    program = "import sys, monitor.reading; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(loaded.stdout.split()) & {
        "fastapi",
        "sqlalchemy",
        "pydantic",
        "pyarrow",
        "pandas",
        "torch",
    }


def test_the_lazy_names_are_listed_as_the_others_are() -> None:
    assert {"init", "read", "SummaryWriter", "__doc__"} <= set(dir(monitor))


def test_an_answer_of_another_version_of_the_program_is_not_taken_for_this_one(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(client, "export-versions")
    address = "/api/v1/runs/export-versions/series"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    monkeypatch.setattr(answers, "_program", lambda: "9.9.9")
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


def test_an_export_is_sent_again_only_when_the_run_changed(client: httpx.Client) -> None:
    a_run(client, "export-tagged")
    address = "/api/v1/runs/export-tagged/export"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    send(client, "export-tagged", batch([points(6, [9.0])], first=6))
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


def test_only_so_many_exports_run_at_once_and_each_gives_its_place_back(client: httpx.Client) -> None:
    a_run(client, "export-crowd")
    for _ in range(2 * MOST_EXPORTS):
        assert download(client, "export-crowd").status_code == 200
        assert download(client, "export-crowd", name="nothing").status_code == 404
    held = [_exporting.acquire(blocking=False) for _ in range(MOST_EXPORTS)]
    try:
        refused = download(client, "export-crowd")
        assert (all(held), refused.status_code, refused.json()["type"]) == (True, 503, "too-many-exports")
    finally:
        for _ in held:
            _exporting.release()


def test_a_client_that_does_not_read_is_not_waited_for_for_ever() -> None:
    ended: list[str] = []

    def parts() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1000)
        finally:
            ended.append("closed")

    async def stalls(message: Message) -> None:
        if message.get("body"):
            await anyio.sleep_forever()

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    download = Download(parts(), lambda: ended.append("done"), patience=0.05)
    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    with pytest.raises(ClientDisconnect):
        anyio.run(download, scope, receive, stalls)
    assert ended == ["closed", "done"]


def test_a_view_that_ends_before_it_begins_is_refused(
    service: Running, client: httpx.Client, whole: str
) -> None:
    for page in ("points", "export"):
        answer = client.get(f"/api/v1/runs/{whole}/{page}", params={"match": "*", "from": 9, "to": 3})
        assert (answer.status_code, answer.json()["field"]) == (422, "from")
    with pytest.raises(ReadError, match="first = 9 lies behind last = 3"):
        read(service, whole, first=9, last=3)


def test_a_client_that_leaves_gives_its_place_back(service: Running) -> None:
    db = service.app.state.service.database
    rows = 200_000
    voice = Voice(run="export-left").begin()
    voice.log({"a": np.random.default_rng(0).normal(size=rows).tolist()}, list(range(rows)), packed=True)
    voice.send(db)
    compact(db, "export-left")
    for _ in range(2 * MOST_EXPORTS):
        with service.client() as client, client.stream("GET", "/api/v1/runs/export-left/export") as answer:
            assert answer.status_code == 200
            next(answer.iter_raw(1))
    with service.client() as client:
        assert client.get("/api/v1/runs/export-left/export", timeout=60).text.count("\n") == rows + 1


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('long')}/long.db"
    db = Database(url)
    db.migrate()
    voice = Voice(run="r").begin()
    chance = np.random.default_rng(0)
    for start in range(0, 1_000_000, 250_000):
        values = chance.normal(size=250_000).tolist()
        voice.log({"a": values}, list(range(start, start + 250_000))).send(db)
        compact(db, "r")
    db.close()
    return url


MEASURE = """
import resource, sys
from monitor.exports.arrow import write_arrow, write_parquet
from monitor.exports.csv import write_csv
from monitor.exports.portions import write_portions
from monitor.store.database import Database
from monitor.store.extract import Extract, Extraction
import pyarrow.parquet

db = Database(sys.argv[1])
write = {"csv": write_csv, "arrow": write_arrow, "parquet": write_parquet,
         "portions": lambda extraction: write_portions("r", extraction)}[sys.argv[2]]
def export(last):
    return sum(map(len, write(Extraction(db, "r", Extract(patterns=["*"], last=last)))))
export(100_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sent = export(None)
print(sent, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet", "portions"])
def test_a_long_export_takes_no_more_memory_than_a_short_one(long_run: str, form: str) -> None:
    """A million points, 28 MB as one table, in a process that has exported a tenth of them before."""
    command = [sys.executable, "-c", MEASURE, long_run, form]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sent, grown = map(int, done.stdout.split())
    assert sent > 7e6
    assert grown < 8e6
