"""Evaluation marks: what ties a step to an epoch, and a detector's record to its values."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from monitor.store.lineage import find_lineage, shown_by
from monitor.store.schema import Mark


def list_marks(c: Connection, run_id: str, attempt: int | None = None) -> dict[str, list[Any]]:
    """The marks of an attempt's lineage (default: the newest), in the order of their steps, as columns."""
    shown = shown_by(find_lineage(c, run_id, attempt), Mark.attempt, Mark.step)
    rows = c.execute(
        select(Mark.index, Mark.step, Mark.epoch, Mark.images_seen, Mark.time)
        .where(Mark.run_id == run_id, shown)
        .order_by(Mark.step, Mark.attempt, Mark.index)
    ).all()
    names = ("index", "step", "epoch", "images_seen", "time")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}
