"""tensorboardX writes an event file in the process; TensorBoard draws 1000 samples of a series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHARE = 0.25
WITH = "tensorboardX, a local file"
_state: dict[str, Any] = {}


def start(folder: Path) -> None:
    from tensorboardX import SummaryWriter  # noqa: PLC0415

    _state["writer"] = SummaryWriter(str(folder / "events"))


def log(values: dict[str, float], step: int) -> None:
    for name, value in values.items():
        _state["writer"].add_scalar(name, value, step)


def finish() -> None:
    _state["writer"].close()


def settle() -> None:
    pass


def kept(folder: Path, name: str) -> int | None:
    from tensorboard.backend.event_processing import event_accumulator  # noqa: PLC0415

    guidance = {event_accumulator.SCALARS: 1000}
    events = event_accumulator.EventAccumulator(str(folder / "events"), size_guidance=guidance)
    events.Reload()
    return sum(event.value > 500 for event in events.Scalars(name))
