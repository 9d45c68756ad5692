"""From records to the columns of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from monitor.protocol import Points, encode_floats, encode_integers

Width = Literal[1, 11]
Names = tuple[str, ...]


@dataclass
class _Group:
    """Rows that name the same series."""

    names: Names
    width: Width
    sequence: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)
    mark: list[int] = field(default_factory=list)

    def points(self) -> Points:
        columns = [
            [value for row in self.values for value in row[at : at + self.width]]
            for at in range(0, len(self.names) * self.width, self.width)
        ]
        return Points(
            names=list(self.names),
            width=self.width,
            sequence=encode_integers(self.sequence),
            step=encode_integers(self.step),
            time=encode_floats(self.time),
            values=[encode_floats(column) for column in columns],
            mark=encode_integers(self.mark) if any(mark >= 0 for mark in self.mark) else None,
        )


class Rows:
    """The rows of one batch. Those that share a series but not all of them stay in the order they came."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._growing: dict[Names, _Group] = {}

    def add(
        self,
        sequence: int,
        names: Names,
        width: Width,
        *,
        step: int,
        time: float,
        values: tuple[float, ...],
        mark: int = -1,
    ) -> None:
        """``mark``: the evaluation mark that the row belongs to, -1 for none."""
        group = self._growing.get(names)
        if group is None or group.width != width:
            group = _Group(names, width)
            self._groups.append(group)
            wanted = set(names)
            self._growing = {
                other: each for other, each in self._growing.items() if wanted.isdisjoint(other)
            } | {names: group}
        group.sequence.append(sequence)
        group.step.append(step)
        group.time.append(time)
        group.values.append(values)
        group.mark.append(mark)

    def points(self) -> list[Points]:
        return [group.points() for group in self._groups]
