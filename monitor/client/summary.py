"""What became of the records of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """What `finish` returns. Every record is delivered, pending or dropped."""

    #: Confirmed by the server.
    delivered: int
    #: In the spool; `ganwatch sync` delivers them.
    pending: int
    #: Lost, since nothing could keep them.
    dropped: int
    #: Values that were refused, here or by the server.
    rejected: int


def summarize(
    *, logged: int, dropped: int, unnumbered: int, confirmed: int, told_lost: int, rejected: int
) -> Summary:
    """From counts of the spool (``unnumbered``: lost before they had a number) and of the delivery.

    The server is told of what was dropped in its turn; until then it is neither confirmed nor pending. What
    it is told may be more than what was dropped: the spool may be damaged, too.
    """
    return Summary(
        delivered=confirmed - told_lost,
        pending=logged - confirmed - max(dropped - told_lost, 0),
        dropped=max(dropped, told_lost) + unnumbered,
        rejected=rejected,
    )
