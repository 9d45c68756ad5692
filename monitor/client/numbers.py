"""The numbers of a run, from the training script's values to rows of the spool."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from time import time as now
from typing import Any, Literal, SupportsIndex

import msgspec
import numpy as np

from monitor.client.devices import Landing, is_on_gpu
from monitor.client.frames import Row
from monitor.client.keeper import Keeper
from monitor.client.notices import Notices
from monitor.client.spool import Spool
from monitor.client.values import INT64, Rejected, to_fields, to_float, to_index, to_name
from monitor.protocol import msgpack_encoder

#: A script names a few sets of series again and again; sets that are always new must not fill the memory.
MOST_COLUMNS = 1024
#: Types whose every value is a float64 as it stands.
FLOATS = {float, bool, np.float64, np.float32, np.float16, np.bool_}
NO_MARK = -1
Mark = SupportsIndex | None


class Columns:
    """A set of names that is sound: checked and encoded once."""

    def __init__(self, names: tuple[str, ...], width: Literal[1, 11]) -> None:
        self._names = msgspec.Raw(msgpack_encoder.encode(names))
        self._width: Literal[1, 11] = width
        self._pack = struct.Struct(f"<{len(names) * width}d").pack

    def row(self, step: int, time: float, mark: int, values: Any) -> Row:
        return Row(self._names, self._width, step, time, mark, self._pack(*values))


class Numbers:
    """Writes what is right, and counts and tells what is not."""

    def __init__(self, spool: Spool, keeper: Keeper, notices: Notices) -> None:
        self._spool = spool
        self._keeper = keeper
        self._notices = notices
        self._columns: dict[tuple[str, ...], Columns] = {}
        self._distributions: dict[str, Columns] = {}
        #: Values refused so far.
        self.rejected = 0

    def log(self, values: Mapping[str, Any], step: SupportsIndex, mark: Mark, time: float | None) -> None:
        columns = self._columns.get(tuple(values))
        if (
            columns is not None
            and mark is None
            and time is None
            and type(step) is int
            and -INT64 <= step < INT64
            and set(map(type, values.values())) <= FLOATS
        ):
            self._spool.append(columns.row(step, now(), NO_MARK, values.values()))
            return
        here: dict[str, float] = {}
        on_gpu: dict[str, Any] = {}
        for name, value in values.items():
            try:
                if is_on_gpu(value):
                    on_gpu[to_name(name)] = value
                else:
                    here[to_name(name)] = to_float(value)
            except Rejected as reason:
                self.reject(name, reason)
            except Exception as error:  # noqa: BLE001 - whatever a strange object's `item` raises
                self.reject(name, Rejected(f"cannot be read ({error})"))
        where = (to_index(step, "step"), now() if time is None else to_float(time), _mark(mark))
        self._write(here, *where)
        if on_gpu:
            landing = Landing(on_gpu)
            self._keeper.defer(lambda: self._write(self._landed(landing), *where), landing.has_landed)

    def log_distribution(self, name: str, values: Any, step: SupportsIndex, mark: Mark) -> None:
        columns = self._distributions.get(name)
        if columns is None:
            columns = self._distributions[name] = Columns((to_name(name),), 11)
        fields = to_fields(values)
        where = (to_index(step, "step"), now(), _mark(mark))
        numbers = {field: to_float(value) for field, value in fields.items() if not is_on_gpu(value)}
        if len(numbers) == len(fields):
            self._spool.append(columns.row(*where, numbers.values()))
            return
        landing = Landing({field: value for field, value in fields.items() if field not in numbers})

        def write() -> None:
            landed = numbers | self._landed(landing)
            if len(landed) == len(fields):
                self._spool.append(columns.row(*where, [landed[field] for field in fields]))

        self._keeper.defer(write, landing.has_landed)

    def reject(self, name: object, reason: Rejected) -> None:
        self.rejected += 1
        self._notices.once(f"value {name}", "%r %s; it is not stored", name, reason)

    def _landed(self, landing: Landing) -> dict[str, float]:
        values = landing.values()
        for name, reason in landing.rejected.items():
            self.reject(name, Rejected(reason))
        return values

    def _write(self, values: dict[str, float], step: int, time: float, mark: int) -> None:
        if not values:
            return
        names = tuple(values)
        columns = self._columns.get(names)
        if columns is None:
            if len(self._columns) >= MOST_COLUMNS:
                self._columns.clear()
            columns = self._columns[names] = Columns(names, 1)
        self._spool.append(columns.row(step, time, mark, values.values()))


def _mark(mark: Mark) -> int:
    return NO_MARK if mark is None else to_index(mark, "mark")
