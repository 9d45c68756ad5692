"""A batch on its way into the database, as the parts of ingest hand it around."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from monitor import protocol
from monitor.protocol import Rejection
from monitor.store.attempts import Branches
from monitor.store.plain import is_moment, plain_text
from monitor.store.schema import Writer


@dataclass
class Intake:
    """One batch on its way into the database."""

    c: Connection
    run_id: str
    batch: protocol.Batch
    now: float
    rank: int
    #: The highest number stored before; only what is behind it is new.
    after: int
    #: The attempt that the batch's records belong to, and what the writer means by numbers of attempts.
    attempt: int
    branches: Branches
    #: The run's version once this batch is stored; numbers the batch's row too.
    version: int
    changed: set[str] = field(default_factory=set)
    #: The last step of its points.
    last_step: int | None = None
    #: When the last of it was said, by the writer's clock.
    said: float = -math.inf
    #: Whether a rule may find something in it that was not there before.
    is_news: bool = False
    rejected: list[Rejection] = field(default_factory=list)
    #: Columns of the run and of the writer to be updated in the end.
    of_run: dict[str, Any] = field(default_factory=dict)
    of_writer: dict[str, Any] = field(default_factory=dict)

    def reject(self, key: str, value: object, reason: str) -> None:
        self.rejected.append(Rejection(key=plain_text(key), value=plain_text(str(value), 80), reason=reason))

    def time_of(self, time: float) -> float:
        """The record's time, or the server's where the record has none that can be."""
        return time if is_moment(time) else self.now

    def series_name(self, name: str) -> str:
        """Ranks other than 0 write series of their own, so that two processes never mix in one line."""
        return name if self.rank == 0 else f"{name}@{self.rank}"


def is_newest(c: Connection, run_id: str, writer: str, rank: int) -> bool:
    """Whether no other process took over from this one."""
    newest = (
        select(Writer.id)
        .where(Writer.run_id == run_id, Writer.rank == rank)
        .order_by(Writer.began.desc(), Writer.id.desc())
        .limit(1)
    )
    return c.execute(newest).scalar() == writer
