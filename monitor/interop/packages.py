"""The packages of other trackers: optional, and asked for only when one of their logs is read."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from monitor.interop.records import Unreadable


def load(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise Unreadable(f"it needs the package {error.name}: pip install 'ganwatch[interop]'") from None
