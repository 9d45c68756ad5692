"""Which attempt a writer means by a number.

A process counts its attempts by itself: it knows those of its own disk, and may be a zombie that another took
over from long ago, or have been started anew on another machine. Two processes may therefore call different
attempts by the same number, and the ranks of one training call one attempt by the same. Here

- a number that a writer has used before means what it meant then;
- an attempt that a writer begins is a new one, with the next free number where its own is taken, unless a
  process of another rank began the same (from the same step of the same parent) and none of its own rank did;
- a writer that begins in an attempt which it does not describe goes on with what the process before it, of
  its own rank and else of any, meant by the number. Number 0 it also says when it knows nothing: then it
  goes on where that process ended.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, exists, func, select
from sqlalchemy.orm import aliased

from monitor import protocol
from monitor.store.database import insert_into
from monitor.store.schema import Attempt, Branch, Writer

#: Leaves room behind it for the next free number.
MAX_ATTEMPT = 2**31


class Branches:
    """What one writer of a run means. Used under the lock of the run."""

    def __init__(self, c: Connection, run_id: str, writer: Any) -> None:
        self._c = c
        self._run_id = run_id
        #: The row of the writer.
        self._writer = writer

    def find(self, number: int) -> int | None:
        """The attempt, where the writer has used the number before."""
        return self._c.execute(
            select(Branch.attempt).where(
                Branch.run_id == self._run_id, Branch.writer == self._writer.id, Branch.number == number
            )
        ).scalar()

    def resolve(self, number: int, begun: protocol.Attempt | None = None) -> int:
        """The attempt that the writer means; ``begun`` where the number stands for one that it begins."""
        attempt = self.find(number)
        if attempt is None:
            attempt = self._inherited(number) if begun is None else self._begin(begun)
            self._c.execute(
                insert_into(self._c, Branch).values(
                    run_id=self._run_id, writer=self._writer.id, number=number, attempt=attempt
                )
            )
        return attempt

    def _begin(self, begun: protocol.Attempt) -> int:
        shared = self._begun_by_another_rank(begun, self.resolve(begun.parent))
        if shared is not None:
            return shared
        taken = exists().where(Attempt.run_id == self._run_id, Attempt.number == begun.number)
        newest = select(func.max(Attempt.number)).where(Attempt.run_id == self._run_id)
        if not self._c.execute(select(taken)).scalar():
            return begun.number
        return int(self._c.execute(newest).scalar_one()) + 1

    def _begun_by_another_rank(self, begun: protocol.Attempt, parent: int) -> int | None:
        theirs, them = aliased(Branch), aliased(Writer)
        ours = (
            exists()
            .where(theirs.run_id == self._run_id, theirs.attempt == Branch.attempt)
            .where(them.run_id == theirs.run_id, them.id == theirs.writer, them.rank == self._writer.rank)
        )
        return self._c.execute(
            select(Branch.attempt)
            .join(Writer, and_(Writer.run_id == Branch.run_id, Writer.id == Branch.writer))
            .join(Attempt, and_(Attempt.run_id == Branch.run_id, Attempt.number == Branch.attempt))
            .where(
                Branch.run_id == self._run_id,
                Branch.number == begun.number,
                Writer.rank != self._writer.rank,
                Attempt.parent == parent,
                Attempt.from_step == begun.from_step,
                ~ours,
            )
            .order_by(Branch.attempt.desc())
            .limit(1)
        ).scalar()

    def _inherited(self, number: int) -> int:
        """What the process before meant, the own rank's first; else the number itself."""
        query = (
            select(Branch.attempt)
            .join(Writer, and_(Writer.run_id == Branch.run_id, Writer.id == Branch.writer))
            .where(Branch.run_id == self._run_id, Writer.began < self._writer.began)
        )
        own_rank = query.where(Writer.rank == self._writer.rank)
        newest = (Writer.began.desc(), Branch.number.desc())
        if number == 0:
            query = own_rank.order_by(*newest)
        else:
            is_own = (Writer.rank == self._writer.rank).desc()
            query = query.where(Branch.number == number).order_by(is_own, *newest)
        attempt = self._c.execute(query.limit(1)).scalar()
        return number if attempt is None else attempt
