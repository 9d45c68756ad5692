"""The loops of other people in ``examples/`` really run, and nothing that they log is refused."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.monitor.client.test_run import records

ROOT = Path(__file__).parents[3]


def run_example(tmp_path: Path, name: str, *arguments: str) -> set[str]:
    """Names of the series that it logged."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GANWATCH_DIR": ".ganwatch", "GANWATCH_SERVER": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "not stored" not in done.stderr
    assert "cannot be measured" not in done.stderr
    (run,) = (tmp_path / ".ganwatch" / "spool").iterdir()
    rows = records(tmp_path / ".ganwatch", run.name, kind=dict)
    return {series for row in rows for series in row.get("values", {})}


@pytest.mark.slow
def test_a_plain_dcgan_on_a_folder_of_images_is_watched(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for label in ("dark", "light"):
        folder = tmp_path / "images" / label
        folder.mkdir(parents=True)
        for number in range(24):
            pixels = draw.integers(128, size=(40, 36, 3), dtype=np.uint8) + 127 * (label == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    arguments = ("--data", str(tmp_path / "images"), "--epochs", "2", "--batch-size", "16", "--width", "4")
    series = run_example(tmp_path, "dcgan.py", *arguments)
    assert {"angle/iter/g", "angle/epoch/d", "quality/classifier", "diversity/classifier"} <= series


@pytest.mark.slow
def test_a_gan_on_lightning_is_watched(tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="needs lightning")
    series = run_example(tmp_path, "lightning_gan.py", "--epochs", "2")
    assert {"angle/iter/g", "gradient_norm/real", "quality/classifier", "diversity/classifier"} <= series
