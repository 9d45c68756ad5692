"""Which runs are not kept: too old, or the oldest of more than there is room for.

A run that is running is kept, and so is one with the tag ``keep``. What goes goes whole: the run and all that
is stored of it. Age counts from when the run was last heard of, or first delivered if that was later: a log
that is imported, or synced late, is no old news here. Size is that of points and images as they are stored;
the file of an SQLite database keeps its length and is filled again.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Self

from sqlalchemy import Connection, and_, case, delete, exists, func, select

from monitor.store.database import Database
from monitor.store.schema import Batch, Blob, Chunk, Facet, Run, Summary

KEPT_TAG = "keep"
_STORED = (Batch.payload, Chunk.payload, Summary.entries, Blob.data)
_MAY_GO = and_(
    Run.state != "running",
    ~exists().where(Facet.run_id == Run.id, Facet.key == "tag", Facet.text == KEPT_TAG),
)
_HEARD = case((Run.born > Run.last_seen, Run.born), else_=Run.last_seen)


class Policy(NamedTuple):
    """None keeps for ever, or however much there is."""

    seconds: float | None = None
    size: int | None = None

    @classmethod
    def of(cls, days: float, size: int) -> Self:
        """As the settings say it: 0 for None."""
        return cls(days * 86400 or None, size or None)


class Expired(NamedTuple):
    run: str
    name: str
    last_seen: float
    #: Bytes of points and images.
    size: int
    reason: str


def find_expired(c: Connection, policy: Policy, now: float) -> list[Expired]:
    """What is to go, the longest silent first."""
    if policy == Policy():
        return []
    sizes = run_sizes(c)
    total = sizes.total()
    expired = []
    heard = _HEARD.label("heard")
    for run in c.execute(
        select(Run.id, Run.name, Run.last_seen, heard).where(_MAY_GO).order_by(heard, Run.id)
    ):
        is_old = policy.seconds is not None and run.heard < now - policy.seconds
        is_too_much = policy.size is not None and total > policy.size
        if not is_old and not is_too_much:
            break
        total -= sizes[run.id]
        reason = "age" if is_old else "size"
        expired.append(Expired(run.id, run.name, run.last_seen, sizes[run.id], reason))
    return expired


def run_sizes(c: Connection) -> Counter[str]:
    """Bytes of points and images by run."""
    sizes: Counter[str] = Counter()
    for column in _STORED:
        run_id = column.class_.run_id
        sizes.update(dict(c.execute(select(run_id, func.sum(func.length(column))).group_by(run_id)).all()))
    return sizes


def apply_retention(db: Database, policy: Policy, now: float) -> list[Expired]:
    """Delete what is to go; what was deleted."""
    with db.read() as c:
        expired = find_expired(c, policy, now)
    return delete_expired(db, expired)


def delete_expired(db: Database, expired: list[Expired]) -> list[Expired]:
    """Delete the runs, each in a transaction of its own; what was deleted.

    A run that was heard of, or tagged to be kept, since it was found stays.
    """
    return [run for run in expired if _delete_if_still_expired(db, run)]


def _delete_if_still_expired(db: Database, expired: Expired) -> bool:
    with db.write() as c:
        same = (Run.id == expired.run, Run.last_seen == expired.last_seen, _MAY_GO)
        if not c.execute(delete(Run).where(*same)).rowcount:
            return False
        c.execute(delete(Blob).where(Blob.run_id == expired.run))
        return True
