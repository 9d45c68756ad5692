"""trackio into its local SQLite; its charts are drawn in the browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SHARE = 1.0
WITH = "local SQLite"
_state: dict[str, Any] = {}


def start(folder: Path) -> None:
    os.environ["TRACKIO_DIR"] = str(folder / "trackio")
    import trackio  # noqa: PLC0415

    _state["trackio"] = trackio
    trackio.init(project="peers", name="run", embed=False)


def log(values: dict[str, float], step: int) -> None:
    _state["trackio"].log(values, step=step)


def finish() -> None:
    _state["trackio"].finish()


def settle() -> None:
    pass
