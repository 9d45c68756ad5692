"""W&B offline: a process of its own writes a local file; charts are drawn on its servers only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SHARE = 1.0
WITH = "offline, a local file"
_state: dict[str, Any] = {}


def start(folder: Path) -> None:
    os.environ["WANDB_SILENT"] = "true"
    import wandb  # noqa: PLC0415

    _state["run"] = wandb.init(mode="offline", project="peers", dir=str(folder))


def log(values: dict[str, float], step: int) -> None:
    _state["run"].log(values, step=step)


def finish() -> None:
    _state["run"].finish()


def settle() -> None:
    pass
