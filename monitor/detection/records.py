"""From what a run logs to what the detector reads: one record an evaluation mark.

A record holds what was measured **at** the mark (the values that name it: Q, D, the angles between epoch
ends, weight norms, learning rates) and what happened **since** the mark before (means and maxima over the
steps in between: the angles of iterations, losses, scores, gradient norms).

Q and D may arrive later than their mark: a record waits for the roles that the mark expects, and for those
that the record before it had. The next mark ends the waiting, and so does the end of the run: what is missing
then stays missing. A mark whose evaluation works beside training says so (``LATE``): what it expects may come
after later marks, and surely comes, as NaN where it cannot be measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, nan

#: Measured every step or so: a record holds their mean since the mark before.
SINCE_THE_MARK = ("S_G", "S_D", "loss_G", "loss_D", "d_real", "d_fake", "gn_real", "gn_fake")
#: ... and of these their largest value too.
WITH_MAXIMUM = ("S_G", "S_D")
#: Where a role of the wire has another name in the detector's record.
RENAMED = {"lr_G": "lr_g", "lr_D": "lr_d"}

#: Among what a mark expects: the rest may come late.
LATE = "late"
#: Later marks after which even what comes late is not waited for any more.
PATIENCE = 64

Record = dict[str, float]


@dataclass(frozen=True)
class EvaluationMark:
    """A mark as the store knows it."""

    attempt: int
    index: int
    step: int
    epoch: float | None
    expects: frozenset[str]


def is_complete(arrived: Iterable[str], expected: Iterable[str], successors: float) -> bool:
    """Whether a mark's record can be assembled: nothing more is waited for. ``successors``: how many later
    marks there are, infinitely many when the run is over.
    """
    wanted = set(expected)
    most = PATIENCE if LATE in wanted else 1
    return successors >= most or wanted - {LATE} <= set(arrived)


def assemble(
    mark: EvaluationMark,
    at_mark: Mapping[str, float],
    since: Mapping[str, Iterable[float]],
) -> Record:
    """The record of a mark; both mappings are by role, and what names the mark goes first."""
    record: Record = {"epoch": float(mark.index) if mark.epoch is None else mark.epoch}
    for role, values in since.items():
        finite, known = 0.0, 0
        largest, seen = -float("inf"), False
        for value in values:
            seen = True
            if isfinite(value):
                finite, known, largest = finite + value, known + 1, max(largest, value)
        if seen:
            record[role] = finite / known if known else nan
            if role in WITH_MAXIMUM:
                record[f"{role}_max"] = largest if known else nan
    record |= {RENAMED.get(role, role): value for role, value in at_mark.items()}
    return record
