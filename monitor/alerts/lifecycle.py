"""The life of an alert: pending, firing, resolved; acknowledging is beside it.

Pure: (episode, what was observed, now) → (episode, transitions). One alert an episode: while it fires, more
of the same changes nothing. A suspicion that does not last is resolved without anybody having been told.
Missing data is no observation, so it never resolves anything. Time never runs backwards within an alert,
whatever the clock does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

State = Literal["pending", "firing", "resolved"]
Observation = Literal["suspected", "confirmed", "clear", "missing"]


@dataclass(frozen=True)
class Episode:
    """Where the alert of one rule stands. ``number`` 0 in state "resolved" is the time before the first."""

    number: int = 0
    state: State = "resolved"
    began: float = 0.0
    updated: float = 0.0
    resolved: float | None = None
    acknowledged: float | None = None
    acknowledged_by: str = ""
    #: How many transitions it has had.
    transitions: int = 0


@dataclass(frozen=True)
class Transition:
    """One change, the ``number``-th of its alert; ``notifies`` says whether people are told."""

    number: int
    time: float
    state: str
    reason: str
    notifies: bool


INACTIVE = Episode()


def observe(
    episode: Episode, observation: Observation, now: float, reason: str = ""
) -> tuple[Episode, list[Transition]]:
    """What an observation makes of an episode."""
    match episode.state, observation:
        case "resolved", "suspected":
            return _begin(episode, "pending", now, reason)
        case "resolved", "confirmed":
            return _begin(episode, "firing", now, reason)
        case "pending", "confirmed":
            return _move(episode, "firing", now, reason, notifies=True)
        case (("pending" | "firing"), "clear"):
            return _move(episode, "resolved", now, reason, notifies=episode.state == "firing")
    return episode, []


def acknowledge(episode: Episode, by: str, now: float) -> tuple[Episode, list[Transition]]:
    """Somebody has seen it. Who was first stays; the state does not change."""
    if episode.acknowledged is not None:
        return episode, []
    now = max(now, episode.updated)
    acknowledged = replace(
        episode, acknowledged=now, acknowledged_by=by, updated=now, transitions=episode.transitions + 1
    )
    return acknowledged, [Transition(episode.transitions, now, "acknowledged", by, notifies=False)]


def _begin(before: Episode, state: State, now: float, reason: str) -> tuple[Episode, list[Transition]]:
    now = max(now, before.updated)
    episode = Episode(before.number + 1, state, began=now, updated=now, transitions=1)
    return episode, [Transition(0, now, state, reason, notifies=state == "firing")]


def _move(
    episode: Episode, state: State, now: float, reason: str, *, notifies: bool
) -> tuple[Episode, list[Transition]]:
    now = max(now, episode.updated)
    moved = replace(
        episode,
        state=state,
        updated=now,
        resolved=now if state == "resolved" else None,
        transitions=episode.transitions + 1,
    )
    return moved, [Transition(episode.transitions, now, state, reason, notifies)]
