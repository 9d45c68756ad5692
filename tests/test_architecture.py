"""What may be loaded where: a program asks the interpreter itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVER_PACKAGES = {
    "fastapi",
    "starlette",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "pydantic_settings",
    "uvicorn",
    "plotly",
}


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in memory after the statement."""
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_service_loads_no_torch_and_no_trainer() -> None:
    loaded = loaded_by("import monitor.app, monitor.server, monitor.cli")
    assert not loaded & {"torch", "trainer", "torchvision", "sklearn", "plotly"}


def test_the_client_loads_neither_the_server_s_packages_nor_torch() -> None:
    loaded = loaded_by("import monitor")
    assert not loaded & {*SERVER_PACKAGES, "torch", "trainer"}


@pytest.mark.parametrize("module", ["monitor.cli", "monitor.client.sync", "monitor.protocol"])
def test_what_a_training_machine_runs_needs_the_client_alone(module: str) -> None:
    assert not loaded_by(f"import {module}") & {*SERVER_PACKAGES, "torch", "trainer"}


def test_nothing_of_the_service_can_unpickle_or_evaluate() -> None:
    """What comes over the wire, or lies in the database, is never run."""
    for source in (ROOT / "monitor").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    loaded = {alias.name for alias in names}
                case ast.ImportFrom(module=str(module)):
                    loaded = {module}
                case ast.Call(func=ast.Name(id=name)):
                    loaded = {name}
                case _:
                    continue
            assert not loaded & {"pickle", "marshal", "shelve", "dill", "eval", "exec", "compile"}, source
