"""Evaluation marks, as a training script holds them."""

from __future__ import annotations

from typing import Self, SupportsIndex

from monitor.client.values import to_index

NO_MARK = -1
#: What a value says it was measured at: what `Run.mark` returned, its index, or nothing.
Mark = SupportsIndex | None


class MarkIndex(int):
    """The index of a mark, which knows the attempt that it was set in.

    An evaluation may end when the run has long gone back to an earlier step. What it measured belongs to the
    attempt that it judged, whatever has begun since and whichever mark has the same index there.
    """

    attempt: int

    def __new__(cls, index: int, attempt: int) -> Self:
        self = super().__new__(cls, index)
        self.attempt = attempt
        return self


def place_of(mark: Mark, current: int) -> tuple[int, int]:
    """The mark's index and the attempt that a value naming it belongs to. Raises ``Rejected``."""
    if mark is None:
        return NO_MARK, current
    attempt = mark.attempt if isinstance(mark, MarkIndex) else current
    return to_index(mark, "mark"), attempt
