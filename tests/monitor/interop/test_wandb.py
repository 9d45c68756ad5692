from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.interop import wandb
from monitor.interop.records import Note, Scalars, Unreadable
from tests.monitor.interop.importing import Importer

pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="the package wandb is not installed")

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
