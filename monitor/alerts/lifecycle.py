"""The life of an alert: pending, firing, resolved; acknowledging and snoozing are beside it.

Pure: (episode, what was observed, now) → (episode, transitions). One alert an episode: while it fires, more
of the same changes nothing. A suspicion that does not last is resolved without anybody having been told.
Missing data is no observation, so it never resolves anything. Time never runs backwards within an alert,
whatever the clock does.

A snooze lasts until a time, or until the alert ends: nobody is told of what happens meanwhile. An alert that
still fires then is told again.
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
    snoozed_until: float | None = None
    snoozed_by: str = ""
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
    is_told = not is_snoozed(episode, now)
    match episode.state, observation:
        case "resolved", "suspected":
            return _begin(episode, "pending", now, reason)
        case "resolved", "confirmed":
            return _begin(episode, "firing", now, reason)
        case "pending", "confirmed":
            return _move(episode, "firing", now, reason, notifies=is_told)
        case (("pending" | "firing"), "clear"):
            was_told = episode.state == "firing"
            return _move(_unsnoozed(episode), "resolved", now, reason, notifies=was_told and is_told)
    return episode, []


def is_snoozed(episode: Episode, now: float) -> bool:
    return episode.snoozed_until is not None and now < episode.snoozed_until


def acknowledge(episode: Episode, by: str, now: float) -> tuple[Episode, list[Transition]]:
    """Somebody has seen it. Who was first stays; the state does not change."""
    if episode.acknowledged is not None:
        return episode, []
    acknowledged = replace(episode, acknowledged=max(now, episode.updated), acknowledged_by=by)
    return _note(acknowledged, "acknowledged", by, now, notifies=False)


def snooze(episode: Episode, until: float, by: str, now: float) -> tuple[Episode, list[Transition]]:
    """Be quiet about it until then; again, until another time. What has ended is quiet anyway."""
    if episode.state == "resolved" or until <= now or episode.snoozed_until == until:
        return episode, []
    return _note(replace(episode, snoozed_until=until, snoozed_by=by), "snoozed", by, now, notifies=False)


def wake(
    episode: Episode, now: float, reason: str = "the snooze is over"
) -> tuple[Episode, list[Transition]]:
    """Where the snooze is over, tell of what still fires; a suspicion goes on in silence."""
    if episode.snoozed_until is None or is_snoozed(episode, now):
        return episode, []
    fires = episode.state == "firing"
    return _note(_unsnoozed(episode), episode.state if fires else "woken", reason, now, notifies=fires)


def unsnooze(episode: Episode, by: str, now: float) -> tuple[Episode, list[Transition]]:
    """End the snooze by hand. Who does that knows of the alert: nobody is told again."""
    if episode.snoozed_until is None:
        return episode, []
    return _note(_unsnoozed(episode), "woken", by, now, notifies=False)


def _unsnoozed(episode: Episode) -> Episode:
    return replace(episode, snoozed_until=None, snoozed_by="")


def _note(
    episode: Episode, state: str, reason: str, now: float, *, notifies: bool
) -> tuple[Episode, list[Transition]]:
    """Something happened to the alert that does not change its state."""
    now = max(now, episode.updated)
    noted = replace(episode, updated=now, transitions=episode.transitions + 1)
    return noted, [Transition(episode.transitions, now, state, reason, notifies)]


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
