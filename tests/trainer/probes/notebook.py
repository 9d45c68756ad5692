"""A run that writes down what it is told, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Notebook:
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    marks: list[dict[str, Any]] = field(default_factory=list)
    #: series, step, mark, value
    points: list[tuple[str, int, int | None, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)

    def declare(self, name: str, **facts: Any) -> None:
        self.declared[name] = facts

    def mark(self, **facts: Any) -> int:
        self.marks.append(facts)
        return len(self.marks) - 1

    def log(self, values: Mapping[str, float | Tensor], *, step: int, mark: int | None = None) -> None:
        self.points += [(name, step, mark, float(value)) for name, value in values.items()]

    def log_distribution(
        self, name: str, values: Mapping[str, Tensor], *, step: int, mark: int | None = None
    ) -> None:
        self.points.append((name, step, mark, [float(value) for value in values.values()]))

    def log_images(
        self, name: str, images: Tensor, *, step: int, scores: Sequence[float], **facts: Any
    ) -> None:
        self.images.append({"name": name, "pixels": images.clone(), "step": step, "scores": scores, **facts})

    def series(self, name: str) -> list[Any]:
        return [value for key, _, _, value in self.points if key == name]

    def steps(self, name: str) -> list[int]:
        return [step for key, step, _, _ in self.points if key == name]

    def names(self) -> set[str]:
        return {key for key, _, _, _ in self.points}


class Bare:
    """The least that a run can be."""

    def __init__(self) -> None:
        self.points: list[tuple[str, int, float]] = []
        self.images: list[tuple[str, int, Tensor]] = []

    def log(self, values: Mapping[str, float | Tensor], step: int) -> None:
        self.points += [(name, step, float(value)) for name, value in values.items()]

    def log_images(self, name: str, images: Tensor, step: int) -> None:
        self.images.append((name, step, images))
