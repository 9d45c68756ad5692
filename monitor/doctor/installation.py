"""The interpreter and the packages."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from monitor.doctor.findings import Finding, note, ok, size_of, wrong

OLDEST = (3, 11)
#: Less free space than this is soon a full disk.
LEAST_FREE = 10**9
_PARTS = {
    "server": (
        "the service",
        ("fastapi", "sqlalchemy", "alembic", "uvicorn", "pydantic_settings", "psycopg"),
    ),
    "trainer": ("training", ("torch", "torchvision")),
    "interop": ("importing TensorBoard's and W&B's logs", ("tensorboard", "wandb")),
}


def examine_installation() -> Iterator[Finding]:
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] < OLDEST:
        yield wrong("python", python, f"ganwatch needs {OLDEST[0]}.{OLDEST[1]} or newer")
    else:
        yield ok("python", python)
    yield ok("ganwatch", f"{_version('ganwatch')} in {Path(__file__).parents[1]}")
    for extra, (purpose, modules) in _PARTS.items():
        yield _examine_part(extra, purpose, modules)
    if find_spec("torch"):
        yield ok("torch", _version("torch"))


def examine_disk(place: Path) -> Iterator[Finding]:
    there = next(above for above in (place.absolute(), *place.absolute().parents) if above.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        yield wrong("disk", f"{size_of(free)} free at {there}", "make room, or choose another directory")
    else:
        yield ok("disk", f"{size_of(free)} free at {there}")


def _examine_part(extra: str, purpose: str, modules: tuple[str, ...]) -> Finding:
    missing = [module for module in modules if find_spec(module) is None]
    if len(missing) == len(modules):
        return note(extra, f"not installed; {purpose} would need it", f"pip install 'ganwatch[{extra}]'")
    if missing:
        return wrong(extra, f"{', '.join(missing)} missing", f"pip install 'ganwatch[{extra}]'")
    return ok(extra, f"installed, for {purpose}")


def _version(package: str) -> str:
    try:
        requires(package)
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
