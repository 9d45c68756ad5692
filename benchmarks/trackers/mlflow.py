"""MLflow into its local SQLite; its chart asks for a sample of a series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHARE = 0.025
WITH = "local SQLite"
_state: dict[str, Any] = {}


def start(folder: Path) -> None:
    import mlflow  # noqa: PLC0415

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    _state.update(mlflow=mlflow, run=mlflow.start_run())


def log(values: dict[str, float], step: int) -> None:
    _state["mlflow"].log_metrics(values, step=step)


def finish() -> None:
    _state["mlflow"].end_run()


def settle() -> None:
    pass
