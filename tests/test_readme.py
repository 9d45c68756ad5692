"""The README says what the program does; here that is held against the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.settings import Settings
from trainer.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readme_with_what_it_is(name: str) -> None:
    rows = dict(re.findall(r"^\| `GANWATCH_(\w+)` \|.*\| (.+) \|$", README, re.MULTILINE))
    assert rows.get(name.upper()) == Settings.model_fields[name].description


def test_every_recipe_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"gantrain (?:show )?([a-z]+[0-9]*-[a-z]+)", README)) | set(
        re.findall(r"RECIPE=([\w-]+)", README)
    )
    assert named
    assert named <= set(RECIPES)


def test_every_file_that_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_every_example_in_the_readme_compiles(block: str) -> None:
    compile(block.replace("...", "pass"), "README.md", "exec")
