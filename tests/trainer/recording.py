"""A run that keeps what it is told, for tests of the trainer alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


class RecordingRun:
    def __init__(self) -> None:
        self.declared: dict[str, dict[str, Any]] = {}
        self.marks: list[dict[str, Any]] = []
        self.points: list[tuple[str, int, int | None, float]] = []
        self.images: list[tuple[str, int]] = []
        self.asked: list[Any] = []
        self.acknowledged: list[tuple[str, str]] = []

    def declare(self, name: str, **facts: Any) -> None:
        self.declared[name] = facts

    def log(self, values: Mapping[str, Any], *, step: int, mark: int | None = None) -> None:
        for name, value in values.items():
            self.points.append(
                (name, step, mark, value.item() if isinstance(value, Tensor) else float(value))
            )

    def log_images(self, name: str, images: Tensor, *, step: int, **_: Any) -> None:
        assert len(images)
        self.images.append((name, step))

    def mark(self, *, step: int, **facts: Any) -> int:
        self.marks.append({"step": step, **facts})
        return len(self.marks) - 1

    def commands(self) -> Sequence[Any]:
        asked, self.asked = self.asked, []
        return asked

    def acknowledge(self, command: str, outcome: str, detail: str = "") -> None:
        del detail
        self.acknowledged.append((command, outcome))

    def series(self, name: str) -> list[tuple[int, float]]:
        return [(step, value) for key, step, _, value in self.points if key == name]
