"""From points as the store has them to points as rules read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np

from monitor.detection.rules.rule import Place
from monitor.detection.rules.series_watch import Points
from monitor.store.chunks import Columns
from monitor.store.rule_states import Epochs, Named
from monitor.store.tail import Group


def points_of(named: Named, columns: Columns, epochs: Epochs) -> Points:
    """A series' points with the epoch of each."""
    return Points(
        id=named.id,
        name=named.name,
        role=named.role,
        steps=columns.steps,
        times=columns.times,
        epochs=epochs.at(columns.steps),
        values=columns.values,
    )


def points_of_batch(groups: Sequence[Group], wanted: Mapping[int, Named], epochs: Epochs) -> list[Points]:
    """The wanted series of a batch, each in the order in which it came."""
    parts: dict[int, list[Columns]] = {}
    for group in groups:
        for column, series in enumerate(group.series.tolist()):
            if series in wanted and len(group.steps):
                columns = Columns(group.steps, group.times, group.values[column])
                parts.setdefault(series, []).append(columns)
    joined = {series: Columns.join(found) if len(found) > 1 else found[0] for series, found in parts.items()}
    return [points_of(wanted[series], columns, epochs) for series, columns in joined.items()]


def newest_place(groups: Sequence[Group], epochs: Epochs) -> Place | None:
    """How far a batch leads, whatever the series."""
    group = max((g for g in groups if len(g.steps)), key=lambda g: int(g.steps[-1]), default=None)
    if group is None:
        return None
    epoch = float(epochs.at(group.steps[-1:])[0])
    return Place(int(group.steps[-1]), None if isnan(epoch) else epoch, float(group.times[-1]))


def behind(columns: Columns, step: int, seen: int) -> Columns:
    """Points that come after the ``seen``-th of a step."""
    first = int(np.searchsorted(columns.steps, step, side="left"))
    return (
        columns[first + seen :] if first < len(columns) and columns.steps[first] == step else columns[first:]
    )
