"""Packages and files that only some judges need."""

from importlib import import_module
from typing import Any


class MissingJudgeError(RuntimeError):
    """What a judge needs is not there; the message says, in one line, what, where from and where to."""


def imported(module: str, package: str, judge: str, remedy: str) -> Any:
    """``module``, from the ``package`` that ``remedy`` installs."""
    try:
        return import_module(module)
    except ImportError as problem:
        raise MissingJudgeError(
            f"the judge {judge} needs the package {package} ({problem}): {remedy}"
        ) from problem
