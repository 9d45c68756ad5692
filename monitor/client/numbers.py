"""The numbers of a run, from the training script's values to rows of the spool."""

from __future__ import annotations

from collections.abc import Mapping
from time import time as now
from typing import Any, SupportsIndex

import numpy as np

from monitor.client.devices import Landing, is_elsewhere
from monitor.client.keeper import Keeper
from monitor.client.marks import NO_MARK, Mark, place_of
from monitor.client.notices import Notices
from monitor.client.rows import Columns, Place
from monitor.client.spool import Spool
from monitor.client.values import INT64, Rejected, to_fields, to_float, to_index, to_name

#: A script names a few sets of series again and again; sets that are always new must not fill the memory.
MOST_COLUMNS = 1024
#: Types whose every value is a float64 as it stands.
FLOATS = {float, bool, np.float64, np.float32, np.float16, np.bool_}


class Numbers:
    """Writes what is right, and counts and tells what is not."""

    def __init__(self, spool: Spool, keeper: Keeper, notices: Notices) -> None:
        self._spool = spool
        self._keeper = keeper
        self._notices = notices
        #: By names; that of a distribution by its name alone.
        self._columns: dict[tuple[str, ...] | str, Columns] = {}
        #: Values refused so far.
        self.rejected = 0
        #: Where the run is, as far as it was said.
        self.step = 0

    def log(self, values: Mapping[str, Any], step: SupportsIndex, mark: Mark, time: float | None) -> None:
        columns = self._columns.get(tuple(values)) if isinstance(values, dict) else None
        if (
            columns is not None
            and mark is None
            and time is None
            and type(step) is int
            and -INT64 <= step < INT64
            and set(map(type, values.values())) <= FLOATS
        ):
            self.step = step
            self._spool.append_row(columns, (step, now(), NO_MARK), values.values())
            return
        if not hasattr(values, "items"):  # a row of a data frame has them, and is no Mapping
            raise Rejected(f"is {type(values).__name__}; a mapping of names to numbers is wanted")
        here: dict[str, float] = {}
        elsewhere: dict[str, Any] = {}
        for name, value in values.items():
            try:
                if is_elsewhere(value):
                    elsewhere[to_name(name)] = value
                else:
                    here[to_name(name)] = to_float(value)
            except Rejected as reason:
                self.reject(name, reason)
            except Exception as error:  # noqa: BLE001 - whatever a strange object's `item` raises
                self.reject(name, Rejected(f"cannot be read ({error})"))
        self.step = to_index(step, "step")
        index, attempt = place_of(mark, self._spool.attempt)
        place = (self.step, now() if time is None else to_float(time), index)
        self._write(here, place, attempt)
        if elsewhere:
            landing = Landing(elsewhere)
            self._keeper.defer(lambda: self._write(self._landed(landing), place, attempt), landing.has_landed)

    def log_distribution(self, name: str, values: Any, step: SupportsIndex, mark: Mark) -> None:
        columns = self._columns.get(name)
        if columns is None:
            columns = self._remember(name, Columns((to_name(name),), 11))
        fields = to_fields(values)
        index, attempt = place_of(mark, self._spool.attempt)
        place = (to_index(step, "step"), now(), index)
        numbers = {field: to_float(value) for field, value in fields.items() if not is_elsewhere(value)}
        if len(numbers) == len(fields):
            self._spool.append_row(columns, place, numbers.values(), attempt)
            return
        landing = Landing({field: value for field, value in fields.items() if field not in numbers})

        def write() -> None:
            landed = numbers | self._landed(landing)
            if len(landed) == len(fields):
                self._spool.append_row(columns, place, [landed[field] for field in fields], attempt)

        self._keeper.defer(write, landing.has_landed)

    def reject(self, name: object, reason: Rejected) -> None:
        self.rejected += 1
        # Two words are the kind of reason: a shape that is another one at every step is told once.
        kind = " ".join(str(reason).split()[:2])
        self._notices.once(f"value {name} {kind}", "%r %s; it is not stored", name, reason)

    def _landed(self, landing: Landing) -> dict[str, float]:
        values = landing.values()
        for name, reason in landing.rejected.items():
            self.reject(name, Rejected(reason))
        return values

    def _write(self, values: dict[str, float], place: Place, attempt: int) -> None:
        if not values:
            return
        names = tuple(values)
        columns = self._columns.get(names) or self._remember(names, Columns(names, 1))
        self._spool.append_row(columns, place, values.values(), attempt)

    def _remember(self, key: tuple[str, ...] | str, columns: Columns) -> Columns:
        if len(self._columns) >= MOST_COLUMNS:
            self._columns.clear()
        self._columns[key] = columns
        return columns
