"""The README says what the program does; here that is held against the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import monitor
from monitor.cli import COMMANDS
from monitor.settings import Settings
from tests.monitor.api.running import TOKEN, run_service
from trainer.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: What is to be typed: indented lines, and code in a line.
CODE = re.findall(r"^    .*|`[^`\n]+`", README, re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readme_with_what_it_is(name: str) -> None:
    rows = dict(re.findall(r"^\| `GANWATCH_(\w+)` \|.*\| (.+) \|$", README, re.MULTILINE))
    assert rows.get(name.upper()) == Settings.model_fields[name].description


def test_every_variable_that_is_read_is_in_the_readme_and_no_other() -> None:
    sources = [*ROOT.glob("monitor/**/*.py"), *ROOT.glob("trainer/**/*.py"), ROOT / "docker-compose.yml"]
    read = {f"GANWATCH_{name.upper()}" for name in Settings.model_fields}
    for source in sources:
        read |= set(re.findall(r"GANWATCH_[A-Z_]*[A-Z]", source.read_text(encoding="utf-8")))
    assert set(re.findall(r"GANWATCH_[A-Z_]*[A-Z]", README)) == read


def test_every_command_is_in_the_readme_and_no_other() -> None:
    assert set(re.findall(r"ganwatch ([a-z]+)", "\n".join(CODE))) == set(COMMANDS)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_target_of_make_that_is_named_exists(document: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.MULTILINE))
    assert named
    assert named <= set(targets)


def test_every_recipe_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"gantrain (?:show )?([a-z]+[0-9]*(?:-[a-z0-9]+)+)", README)) | set(
        re.findall(r"RECIPE=([\w-]+)", README)
    )
    assert named
    assert named <= set(RECIPES)


def test_every_file_that_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_loop_in_the_readme_runs_and_nothing_of_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GANWATCH_SERVER", raising=False)
    meant: dict[str, Any] = {
        "batches": [(0, 0)] * 3,
        "train_step": lambda x, z: (0.5, 0.7),
        "images": np.zeros((4, 1, 8, 8), np.uint8),
    }
    exec(EXAMPLES[0], meant)
    summary = meant["run"].finish()
    assert (summary.dropped, summary.rejected) == (0, 0)


def test_the_probes_in_the_readme_measure_any_two_modules(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = torch.rand(20, 1, 8, 8)
    with monitor.init(directory=tmp_path) as run:
        meant = {
            "G": nn.Sequential(nn.Linear(128, 64), nn.Unflatten(1, (1, 8, 8)), nn.Tanh()),
            "D": nn.Sequential(nn.Flatten(), nn.Linear(64, 1)),
            "run": run,
            "h": lambda x: x.flatten(1).sum(1),
            "loader": torch.utils.data.DataLoader(images, batch_size=4),
            "x": images,
            "g": images,
        }
        exec(EXAMPLES[1], meant)
        summary = run.finish()
    assert (summary.dropped, summary.rejected) == (0, 0)


def test_a_run_is_read_as_the_readme_says(tmp_path: Path) -> None:
    with run_service(tmp_path) as service:
        with monitor.init(id="my-run", server=service.url, token=TOKEN, directory=tmp_path) as run:
            for step in range(3):
                run.log({"loss/g": step / 3, "loss/d": 1.0}, step=step)
        example = EXAMPLES[2].replace("http://127.0.0.1:8765", f"{service.url}/?token={TOKEN}")
        meant: dict[str, Any] = {}
        exec(example, meant)
    assert meant["points"]["loss/g"].value.tolist() == [0.0, 1 / 3, 2 / 3]
    assert len(meant["points"].frame()) == 6
