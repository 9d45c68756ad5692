from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from monitor.interop import wandb
from monitor.interop.records import Note, Scalars, Unreadable
from tests.monitor.interop.importing import Importer

pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="the package wandb is not installed")

from wandb.proto import wandb_internal_pb2

TRAINING = """
import numpy, wandb
config = {"lr": 1e-3, "net": {"width": [64, 128]}}
run = wandb.init(mode="offline", project="faces", name="first", config=config)
for step in range(200):
    run.log({"loss/d": step / 8, "loss/g": float("nan") if step == 3 else -step, "phase": "warm"})
run.log({"weights": wandb.Histogram(numpy.arange(1000)), "pad": 1.0}, step=500)
run.log({"samples": [wandb.Image(numpy.full((4, 4, 3), 7, numpy.uint8))] * 3}, step=501)
run.finish()
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that W&B itself wrote without a network."""
    folder = tmp_path_factory.mktemp("wandb")
    environment = {**os.environ, "WANDB_SILENT": "true", "WANDB_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", TRAINING], cwd=folder, env=environment, check=True, timeout=120)
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return file


def test_an_offline_run_arrives_whole(imports: Importer, offline: Path) -> None:
    assert imports(offline.parent)
    run = imports.run()
    assert (run["name"], run["project"], run["state"]) == ("first", "faces", "finished")
    about = imports.client.get(f"/api/v1/runs/{run['id']}").json()
    assert about["config"] == {"lr": 1e-3, "net": {"width": [64, 128]}}
    assert imports.points("loss/d") == [(step, step / 8) for step in range(200)]
    assert imports.points("loss/g")[3] == (3, "NaN")
    assert imports.series()["weights"]["kind"] == "distribution"
    (image,) = imports.client.get(f"/api/v1/runs/{run['id']}/images").json()["images"]
    assert (image["step"], image["rows"], image["columns"]) == (501, 2, 2)
    assert imports.said[1:] == ["  'phase' holds str, not numbers"]
    assert imports(offline)
    assert "nothing new" in imports.said[0]


def test_a_run_that_was_killed_gives_what_is_whole(imports: Importer, offline: Path, tmp_path: Path) -> None:
    torn = tmp_path / "run-x.wandb"
    torn.write_bytes(offline.read_bytes()[: offline.stat().st_size * 2 // 3])
    assert not imports(torn)
    assert any("breaks off" in line for line in imports.said)
    assert imports.run()["state"] == "failed"
    points = imports.points("loss/d")
    assert 50 < len(points) < 200
    assert points == [(step, step / 8) for step in range(len(points))]


def test_a_damaged_block_costs_no_other(offline: Path, tmp_path: Path) -> None:
    data = bytearray(offline.read_bytes())
    assert len(data) > 2 * 32768
    data[40000] ^= 4
    damaged = tmp_path / "run-x.wandb"
    damaged.write_bytes(data)
    records = list(wandb.read(damaged))
    steps = [record.step for record in records if isinstance(record, Scalars)]
    assert steps[0] == 0
    assert steps[-1] == 500
    assert 100 < len(steps) < 201
    assert any(record.is_damage for record in records if isinstance(record, Note))


def test_nan_is_a_number(offline: Path) -> None:
    third = next(record for record in wandb.read(offline) if isinstance(record, Scalars) and record.step == 3)
    assert math.isnan(third.values["loss/g"])


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.wandb").write_text("hello there")
    with pytest.raises(Unreadable, match="does not begin"):
        list(wandb.read(tmp_path / "x.wandb"))


def written(path: Path, *records: Any) -> Path:
    """A file as W&B writes it, each record in one chunk."""
    data = b":W&B\xe1\xbe\x00"
    for record in records:
        body = record.SerializeToString()
        data += struct.pack("<IHB", zlib.crc32(body, zlib.crc32(b"\x01")), len(body), 1) + body
    path.write_bytes(data)
    return path


def history(**values: str) -> Any:
    items = [wandb_internal_pb2.HistoryItem(key=key, value_json=text) for key, text in values.items()]
    return wandb_internal_pb2.Record(history=wandb_internal_pb2.HistoryRecord(item=items))


@pytest.mark.parametrize("escape", ["../../secret.png", "{}/secret.png"])
def test_a_log_cannot_have_another_picture_of_the_disk_read(tmp_path: Path, escape: str) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "secret.png")
    (tmp_path / "run" / "files").mkdir(parents=True)
    value = json.dumps({"_type": "image-file", "path": escape.format(tmp_path)})
    (record,) = wandb.read(written(tmp_path / "run" / "run-x.wandb", history(picture=value)))
    assert isinstance(record, Note)
    assert "is not in the run's folder" in record.text


@pytest.mark.parametrize(
    "values",
    [
        {"a": "{"},
        {"_step": "1e400"},
        {"_step": "99999999999999999999", "a": "1"},
        {"_step": "[]", "a": "1"},
        {"h": '{"_type": "histogram", "values": [1, 2], "bins": 3}'},
        {"h": '{"_type": "histogram", "values": [1, 2], "bins": [0, 1]}'},
        {"p": '{"_type": "images/separated", "filenames": [1]}'},
        {"a": "[" * 30_000},
    ],
)
def test_a_record_that_makes_no_sense_costs_no_other(tmp_path: Path, values: dict[str, str]) -> None:
    log = written(tmp_path / "run-x.wandb", history(a="1"), history(**values), history(a="2", _step="7"))
    found = list(wandb.read(log))
    numbers = [record.values for record in found if isinstance(record, Scalars)]
    assert (numbers[0], numbers[-1]) == ({"a": 1.0}, {"a": 2.0})
    assert any(isinstance(record, Note) for record in found)
    assert wandb.describe(log).outcome == "failed"
