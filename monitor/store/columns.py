"""From the columns of a ``Points`` record to arrays, refusing single values and saying why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from monitor import protocol
from monitor.errors import Problem
from monitor.protocol import Floats, Integers, Rejection
from monitor.store.plain import INT64_MAX, INT64_MIN, is_moment, plain_text
from monitor.store.tail import Group

#: Bytes of UTF-8 that the name of a series may have.
MAX_NAME = 512
#: Of an answer, so that a bad batch cannot make a huge one; all are counted.
MAX_LISTED = 1000
_SHOWN = 80
_NON_FINITE = frozenset(("NaN", "Infinity", "-Infinity"))


@dataclass(frozen=True)
class Table:
    """One ``Points`` record as arrays; ``usable`` says which of [columns, rows] hold a value."""

    names: list[str]
    sequence: NDArray[np.int64]
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    marks: NDArray[np.int64]
    #: [columns, rows, width]
    values: NDArray[np.float64]
    #: None where every value can be kept.
    usable: NDArray[np.bool_] | None
    refused: dict[int, list[Rejection]]

    def groups(self, series: dict[str, int], after: int) -> Iterator[Group]:
        """What is kept of the rows behind sequence ``after``, for the names in ``series``."""
        rows = self.sequence > after
        columns = [i for i, name in enumerate(self.names) if name in series]
        if not columns or not rows.any():
            return
        ids = np.array([series[self.names[i]] for i in columns], np.uint32)
        if self.usable is None:
            whole = rows.all() and len(columns) == len(self.names)
            values = self.values if whole else self.values[columns][:, rows]
            yield Group(ids, self.steps[rows], self.times[rows], values)
            return
        for column, series_id in zip(columns, ids, strict=True):
            kept = rows & self.usable[column]
            if kept.any():
                values = self.values[column : column + 1, kept]
                yield Group(series_id[None], self.steps[kept], self.times[kept], values)

    def marked(self, after: int) -> Iterator[tuple[int, str, float]]:
        """(mark, name, value) of every kept value that names a mark; of a distribution its mean."""
        field = protocol.DISTRIBUTION_FIELDS.index("mean") if self.values.shape[2] > 1 else 0
        for row in np.flatnonzero((self.sequence > after) & (self.marks >= 0)):
            for column, name in enumerate(self.names):
                if self.usable is None or self.usable[column, row]:
                    yield int(self.marks[row]), name, float(self.values[column, row, field])

    def rejections(self, after: int) -> Iterator[Rejection]:
        for row, refused in self.refused.items():
            if self.sequence[row] > after:
                yield from refused


def read_table(points: protocol.Points) -> Table:
    """The record as arrays, or a 400 where it contradicts itself."""
    rows = len(points.sequence) // (8 if isinstance(points.sequence, bytes) else 1)
    sequence, misfits = _integers(points.sequence, rows, "sequence")
    if misfits:
        _malformed("sequence", "holds numbers that are no sequence numbers")
    steps, bad_steps = _integers(points.step, rows, "step")
    times, bad_times = _floats(points.time, rows, "time")
    bad_times |= {
        int(row): (_show(times[row]), "no Unix time in seconds that a calendar has")
        for row in np.flatnonzero(~is_moment(times))
        if int(row) not in bad_times
    }
    marks, bad_marks = _integers(points.mark or [-1] * rows, rows, "mark")
    if len(points.values) != len(points.names):
        _malformed("values", f"has {len(points.values)} columns for {len(points.names)} names")
    values, bad_values = _matrix(points.values, rows, points.width)
    usable = None
    refused: dict[int, list[Rejection]] = {}
    if bad_steps or bad_times or bad_marks or bad_values:
        usable = np.ones((len(points.names), rows), bool)
        for key, bad in (("step", bad_steps), ("time", bad_times), ("mark", bad_marks)):
            for row, (shown, reason) in bad.items():
                usable[:, row] = False
                refused.setdefault(row, []).append(Rejection(key=key, value=shown, reason=reason))
        for column, row, shown, reason in bad_values:
            usable[column, row] = False
            key = show_name(points.names[column])
            refused.setdefault(row, []).append(Rejection(key=key, value=shown, reason=reason))
    return Table(points.names, sequence, steps, times, marks, values, usable, refused)


def fault_of_name(name: str) -> str | None:
    """Why a series cannot have this name."""
    if not name:
        return "a name must not be empty"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "a name must be Unicode text; this one has a lone surrogate"
    if length > MAX_NAME:
        return f"a name may have {MAX_NAME} bytes; this one has {length}"
    if "\0" in name:
        return "a name must not contain NUL"
    return None


def show_name(name: str) -> str:
    return plain_text(name, MAX_NAME)


def _malformed(field: str, fault: str) -> NoReturn:
    raise Problem(400, "malformed", f"A points record is malformed: {field} {fault}.", field=field)


def _show(value: object) -> str:
    return plain_text(str(value), _SHOWN)


def _integers(
    column: Integers, rows: int, field: str
) -> tuple[NDArray[np.int64], dict[int, tuple[str, str]]]:
    if isinstance(column, bytes):
        if len(column) != 8 * rows:
            _malformed(field, f"has {len(column)} bytes for {rows} rows")
        return np.frombuffer(column, "<i8"), {}
    if len(column) != rows:
        _malformed(field, f"has {len(column)} values for {rows} rows")
    bad = {
        row: (_show(value), "beyond 64 bits")
        for row, value in enumerate(column)
        if not INT64_MIN <= value <= INT64_MAX
    }
    return np.array([0 if row in bad else value for row, value in enumerate(column)], np.int64), bad


def _floats(column: Floats, size: int, field: str) -> tuple[NDArray[np.float64], dict[int, tuple[str, str]]]:
    if isinstance(column, bytes):
        if len(column) != 8 * size:
            _malformed(field, f"has {len(column)} bytes for {size} values")
        return np.frombuffer(column, "<f8"), {}
    if len(column) != size:
        _malformed(field, f"has {len(column)} values where there should be {size}")
    values = np.empty(size)
    bad: dict[int, tuple[str, str]] = {}
    for i, value in enumerate(column):
        fault = _fault_of_value(value)
        if fault is None:
            values[i] = float(value)  # type: ignore[arg-type]  # None has a fault
        else:
            values[i] = np.nan
            bad[i] = (_show(value), fault)
    return values, bad


def _fault_of_value(value: float | str | bool | None) -> str | None:
    match value:
        case None:
            return "not a number"
        case str():
            return None if value in _NON_FINITE else "a string, not a number"
        case int() if not -(2**53) <= value <= 2**53:
            try:
                exact = int(float(value)) == value
            except OverflowError:
                exact = False
            return None if exact else "an integer that float64 cannot hold exactly"
        case _:
            return None


def _matrix(
    columns: list[Floats], rows: int, width: int
) -> tuple[NDArray[np.float64], list[tuple[int, int, str, str]]]:
    """[columns, rows, width], and (column, row, value, reason) of every value refused."""
    shape = (len(columns), rows, width)
    packed = [column for column in columns if isinstance(column, bytes)]
    if len(packed) == len(columns):
        if any(len(column) != 8 * rows * width for column in packed):
            _malformed("values", f"has a column that is not {rows} rows of {width}")
        return np.frombuffer(b"".join(packed), "<f8").reshape(shape), []
    values = np.empty(shape)
    refused: list[tuple[int, int, str, str]] = []
    for i, column in enumerate(columns):
        flat, bad = _floats(column, rows * width, "values")
        values[i] = flat.reshape(rows, width)
        refused += ((i, at // width, shown, reason) for at, (shown, reason) in bad.items())
    return values, refused
