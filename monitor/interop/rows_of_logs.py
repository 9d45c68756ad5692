"""The detector's records out of a file: a log of another tracker, or an ``.npz`` trace.

A trace holds one array a role (Q, D, S_G, ..., an element a record) and ``meta``, a JSON text with ``m`` and
``n_eval``. Of a log the series are recognized by name, or as told; a record ends at each step that has Q or
D, and losses, gradient norms and angles of iterations are gathered up to it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monitor.detection.hindsight import Row
from monitor.detection.records import SINCE_THE_MARK, EvaluationMark, assemble
from monitor.detection.roles import NAMES, role_of
from monitor.errors import Misuse
from monitor.interop.evaluations import EVALUATED
from monitor.interop.logs import LeftOut, find_logs
from monitor.interop.records import Scalars, Unreadable

#: Shown where no series is recognized.
MOST_SHOWN = 12


def rows_of_file(
    path: Path, told: Mapping[str, str], modes: int | None = None
) -> tuple[list[Row], dict[str, Any]]:
    """The records of a file and what the detector is told; ``told``: names of series by role."""
    unknown = set(told) - set(NAMES)
    if unknown:
        raise Misuse(f"{min(unknown)!r} is no role: the roles are {', '.join(NAMES)}")
    if path.suffix == ".npz":
        return _read_trace(path, modes)
    points = list(_points(path))
    names = sorted({name for _, values in points for name in values})
    # What is told goes first: nothing else plays such a role.
    by_name = {name: role for name in names if (role := role_of(name, names)) and role not in told}
    roles = by_name | {name: role for role, name in told.items()}
    for role, name in told.items():
        if name not in names:
            raise Misuse(f"{path} has no series {name!r} for {role}: it has {_listed(names)}")
    if not EVALUATED & set(roles.values()):
        raise Misuse(
            f"{path} has no quality and no diversity that is recognized: say which series it is with "
            f"--role Q=NAME or D=NAME; it has {_listed(names)}"
        )
    return list(_rows(points, roles)), {"m": modes}


def _read_trace(path: Path, modes: int | None) -> tuple[list[Row], dict[str, Any]]:
    try:
        with np.load(path) as stored:
            arrays = {key: stored[key] for key in stored.files}
        meta = json.loads(str(arrays.pop("meta"))) if "meta" in arrays else {}
        columns = {key: np.asarray(array, float) for key, array in arrays.items()}
    except (OSError, ValueError, TypeError) as error:
        raise Misuse(f"{path} is no trace of one number a record and role: {error}") from None
    lengths = {column.shape for column in columns.values()}
    if not EVALUATED & set(columns) or len(lengths) != 1 or len(next(iter(lengths))) != 1:
        raise Misuse(f"{path} is no trace: it must hold Q or D, one element a record, as its other arrays")
    epochs = columns.pop("epoch", np.arange(next(iter(lengths))[0], dtype=float))
    rows = [
        Row({key: float(column[i]) for key, column in columns.items()}, epoch=float(epochs[i]))
        for i in range(len(epochs))
    ]
    return rows, {"m": modes or meta.get("m"), "n_eval": meta.get("n_eval")}


def _points(path: Path) -> Iterator[tuple[int, Mapping[str, float]]]:
    try:
        for log in find_logs([path]):
            if isinstance(log, LeftOut):
                if log.is_named:
                    raise Misuse(f"{log.path} cannot be read: {log.reason}")
                continue
            for file in log.files:
                for record in log.reader.read(file):
                    if isinstance(record, Scalars):
                        yield record.step, record.values
    except Unreadable as error:
        raise Misuse(f"{path} cannot be read: {error}") from None


def _rows(points: Sequence[tuple[int, Mapping[str, float]]], roles: Mapping[str, str]) -> Iterator[Row]:
    by_step: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    epochs: dict[int, float] = {}
    for step, values in points:
        if "epoch" in values:
            epochs[step] = values["epoch"]
        for name, value in values.items():
            if name in roles:
                by_step[step][roles[name]].append(value)
    since: dict[str, list[float]] = defaultdict(list)
    at_mark: dict[str, float] = {}
    for index, step in enumerate(sorted(by_step)):
        for role, numbers in by_step[step].items():
            if role in SINCE_THE_MARK:
                since[role] += numbers
            else:
                at_mark[role] = numbers[-1]
        if EVALUATED & set(by_step[step]):
            mark = EvaluationMark(0, index, step, epochs.get(step), frozenset())
            yield Row(assemble(mark, at_mark, since), step, mark.epoch)
            since, at_mark = defaultdict(list), {}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return (", ".join(names[:MOST_SHOWN]) or "none") + more
