from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from monitor.interop import chainer, jsonl, progan, tables
from monitor.interop.logs import Log, find_logs
from monitor.interop.records import Note, Record, Scalars


def read(path: Path) -> list[Record]:
    (log,) = find_logs([path])
    assert isinstance(log, Log), log
    return list(log.reader.read(path))


def test_chainer_s_log_is_read_and_one_that_breaks_off_as_far_as_it_goes(tmp_path: Path) -> None:
    entries = [
        {"iteration": 100 * i, "elapsed_time": 1.5 * i, "loss_gen": i / 3, "epoch": 0} for i in range(5)
    ]
    log = tmp_path / "log"
    log.write_text(json.dumps(entries, indent=4))
    expected = [Scalars(100 * i, 1.5 * i, {"loss_gen": i / 3, "epoch": 0.0}) for i in range(5)]
    assert read(log) == expected
    whole = log.read_text()
    for end in range(whole.index("}") + 1, len(whole)):
        log.write_text(whole[:end])
        *read_so_far, note = chainer.read(log)
        assert isinstance(note, Note)
        assert note.is_damage
        assert read_so_far == expected[: whole[:end].count("}")]


def test_json_lines_are_read_and_a_torn_one_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"itr": 2000, "FID": 1e3, "_stamp": 1551403232.5}\n'
        '{"itr": 4000, "FID": NaN, "nested": {"a": -Infinity, "b": true}}\n'
        "not json\n"
        "[1]\n"
        '{"itr": 6000, "FI'
    )
    first, second, *notes = read(log)
    assert first == Scalars(2000, 1551403232.5, {"FID": 1000.0})
    assert isinstance(second, Scalars)
    assert math.isnan(second.values["FID"])
    assert second.values["nested/a"] == -math.inf
    assert second.values["nested/b"] == 1.0
    assert [note.text for note in notes if isinstance(note, Note) and note.is_damage] == [
        "line 3 is damaged",
        "line 4 is no object",
        "line 5 is torn",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Wall time,Step,Value\n1600000000,10,0.5\n1600000001,20,nan\n",
        "\ufeffWall time;Step;Value\r\n1600000000;10;0.5\r\n1600000001;20;NaN\r\n",
        "Step\tWall time\tValue\n10\t1600000000\t0.5\n20\t1600000001\tnan",
        "step  time  Value\n10  1600000000  0.5\n20  1600000001  nan\n",
    ],
)
def test_tables_are_read_whatever_parts_their_cells(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.txt").write_text(text)
    first, second = read(tmp_path / "table.txt")
    assert first == Scalars(10, 1.6e9, {"Value": 0.5})
    assert isinstance(second, Scalars)
    assert second.step == 20
    assert math.isnan(second.values["Value"])


def test_a_missing_cell_is_no_value_and_a_word_is_told(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("epoch,a,b,c\n0,1,NA,x\n1,,2,y\n2,3\n")
    records = list(tables.read(tmp_path / "table.csv"))
    assert [record for record in records if isinstance(record, Scalars)] == [
        Scalars(0, None, {"a": 1.0}),
        Scalars(1, None, {"b": 2.0}),
    ]
    notes = {record.text for record in records if isinstance(record, Note)}
    assert notes == {"'c' holds str, not numbers", "line 4 has 2 cells in place of 4"}


def test_without_a_step_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"loss": 1}\n{"loss": 2}\n')
    assert list(jsonl.read(tmp_path / "a.jsonl")) == [
        Scalars(0, None, {"loss": 1.0}),
        Scalars(1, None, {"loss": 2.0}),
    ]


def test_a_step_that_is_no_integer_stays_a_series(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"epoch": 0.5, "loss": 1}\n')
    assert list(jsonl.read(tmp_path / "a.jsonl")) == [Scalars(0, None, {"epoch": 0.5, "loss": 1.0})]


def test_pro_gan_s_losses_are_read(tmp_path: Path) -> None:
    (tmp_path / "lfw_loss_0.log").write_text("8.5\t0.25\n-4.5\tnan\nbroken\n")
    first, second, note = read(tmp_path / "lfw_loss_0.log")
    assert first == Scalars(0, None, {"loss/d": 8.5, "loss/g": 0.25})
    assert isinstance(second, Scalars)
    assert math.isnan(second.values["loss/g"])
    assert note == Note("line 3 does not hold two losses", is_damage=True)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"\xff\xfe\xfa", b"[", b"{", b"a b\n", b",,,\n,,,\n", b"1\t2\t3\n"]
)
def test_what_is_no_log_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    for reader in (jsonl, progan, tables):
        assert not reader.reads(tmp_path / "file")
