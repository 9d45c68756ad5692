"""Entries as the columns of an answer: lists, non-finite numbers by name, null where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.protocol import DISTRIBUTION_FIELDS
from monitor.store.plain import number_of
from monitor.store.summaries import Entries
from monitor.store.view import Axis

_OF_SCALARS = ("min", "max", "mean")
#: What an entry knows over all of its records, besides the quantiles of the last.
_MERGED = (("min", "min"), ("max", "max"), ("n", "mean"))


def show(kind: str, entries: Entries, axis: Axis) -> dict[str, Any]:
    """One row an entry; ``first`` to ``step`` (or ``time``) is the stretch of the axis it stands for."""
    shown: dict[str, Any] = {
        "kind": kind,
        "exact": bool((entries["count"] == 1).all()),
        "first": entries[f"min_{axis}"].tolist(),
        "step": entries["max_step"].tolist(),
        "time": entries["last_time" if axis == "step" else "max_time"].tolist(),
    }
    return shown | _show_values(kind, entries)


def show_aligned(
    kind: str, entries: Entries, buckets: NDArray[np.int64], shared: NDArray[np.int64]
) -> dict[str, Any]:
    """One row a shared bucket; ``buckets`` says which of them each entry is."""
    at = np.searchsorted(shared, buckets).tolist()
    shown = {key: _spread(column, at, len(shared)) for key, column in _show_values(kind, entries).items()}
    return {"kind": kind, "exact": bool((entries["count"] == 1).all()), **shown}


def _spread(column: Any, at: list[int], length: int) -> Any:
    if isinstance(column, dict):
        return {key: _spread(part, at, length) for key, part in column.items()}
    whole: list[Any] = [None] * length
    for i, value in zip(at, column, strict=True):
        whole[i] = value
    return whole


def _show_values(kind: str, entries: Entries) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "count": entries["count"].tolist(),
        "non_finite": entries["non_finite"].tolist(),
    }
    if kind == "scalar":
        for field in _OF_SCALARS:
            shown[field] = _with_none(entries[field])
        shown["last"] = _with_names(entries["last"][:, 0])
        return shown
    quantiles = {field: entries["last"][:, i] for i, field in enumerate(DISTRIBUTION_FIELDS)}
    merged = entries["count"] > 1
    for field, over in _MERGED:
        quantiles[field] = np.where(merged, entries[over], quantiles[field])
    shown["quantiles"] = {field: _with_names(values) for field, values in quantiles.items()}
    return shown


def _with_none(values: NDArray[np.float64]) -> list[Any]:
    listed: list[Any] = values.tolist()
    for i in np.flatnonzero(np.isnan(values)):
        listed[i] = None
    return listed


def _with_names(values: NDArray[np.float64]) -> list[Any]:
    listed: list[Any] = values.tolist()
    for i in np.flatnonzero(~np.isfinite(values)):
        listed[i] = number_of(listed[i])
    return listed
