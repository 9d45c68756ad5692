"""requirements/install.sh, with a uv that writes down what it was asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UV = f"""#!/bin/sh
echo "$*" >>"$(dirname "$0")/asked"
case "$1" in
  venv) mkdir -p .venv/bin && ln -sf "{sys.executable}" .venv/bin/python ;;
  pip) if [ -n "$UV_FAILS" ]; then echo "$UV_FAILS" >&2; exit 2; fi ;;
esac
"""


class Checkout:
    """A copy in a folder with a space in its name, and the commands that uv was given."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "a checkout", folder / "bin"
        shutil.copytree(ROOT / "requirements", self.root / "requirements")
        shutil.copy(ROOT / "pyproject.toml", self.root)
        self.bin.mkdir()
        (self.bin / "uv").write_text(UV)
        (self.bin / "uv").chmod(0o755)
        self.asked = self.bin / "asked"

    def install(self, *, cwd: Path | None = None, **settings: str) -> str:
        """What it said; nothing at all where there was nothing to do."""
        kept = {name: value for name, value in os.environ.items() if name not in {"TORCH", "PYTHON"}}
        path = f"{self.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        script = self.root / "requirements" / "install.sh"
        done = subprocess.run(
            ["sh", os.path.relpath(script, cwd or self.root)],
            cwd=cwd or self.root,
            env=kept | {"PATH": path} | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_second_run_has_nothing_to_do_wherever_it_is_started(checkout: Checkout) -> None:
    assert "making .venv" in checkout.install()
    assert checkout.install() == ""
    assert checkout.install(cwd=checkout.root.parent) == ""


def test_what_was_chosen_stays_chosen_until_it_is_named_again(checkout: Checkout) -> None:
    checkout.install(TORCH="cpu", PYTHON=sys.executable)
    assert "--torch-backend cpu" in checkout.asked.read_text()
    assert checkout.install() == ""
    checkout.asked.unlink()
    assert "making .venv" in checkout.install(TORCH="")
    assert "--torch-backend" not in checkout.asked.read_text()
    assert f"--python {sys.executable}" in checkout.asked.read_text()


def test_other_requirements_are_installed_anew_with_the_same_choice(checkout: Checkout) -> None:
    checkout.install(TORCH="cpu")
    with (checkout.root / "requirements" / "torch.txt").open("a") as pins:
        pins.write("# another\n")
    checkout.asked.unlink()
    assert "making .venv" in checkout.install()
    assert "--torch-backend cpu" in checkout.asked.read_text()


def test_without_access_to_the_index_of_torch_it_says_what_to_leave_out(checkout: Checkout) -> None:
    unreachable = "error: Request failed for https://index.example/whl/cpu/torch/: dns error"
    said = checkout.install(TORCH="cpu", UV_FAILS=unreachable).splitlines()
    assert said[1:] == [line for line in said if line.startswith("ganwatch: TORCH=cpu needs")]
    assert "leave TORCH out" in said[-1]
    assert "making .venv" in checkout.install()  # nothing is held for installed, nor for chosen


def test_an_interpreter_that_cannot_be_used_is_named(checkout: Checkout) -> None:
    said = checkout.install(PYTHON="/nowhere/python3")
    assert said.startswith("ganwatch: PYTHON=/nowhere/python3 is not a working Python 3.11, 3.12 or 3.13")
