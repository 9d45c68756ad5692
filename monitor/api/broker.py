"""Tells open pages which runs changed: one small dictionary a page, so that a slow reader costs no memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

ALL_CHANGES = frozenset({"points", "images", "alerts", "state"})


@dataclass(frozen=True)
class Change:
    """What changed in a run, up to the event of this number and the run's version then."""

    number: int
    run: str
    version: int
    what: frozenset[str]

    def merged(self, later: Change) -> Change:
        return Change(later.number, self.run, max(self.version, later.version), self.what | later.what)


@dataclass(eq=False)
class Subscription:
    """The changes that one page has yet to hear of, at most one a run."""

    runs: frozenset[str]
    pending: dict[str, Change] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    def add(self, change: Change) -> None:
        if self.runs and change.run not in self.runs:
            return
        before = self.pending.pop(change.run, None)
        self.pending[change.run] = before.merged(change) if before else change
        self.woken.set()

    async def next(self) -> Change | None:
        """The oldest change not heard of, or None once the service stops."""
        while not self.pending and not self.closed:
            self.woken.clear()
            await self.woken.wait()
        if self.closed:
            return None
        return self.pending.pop(next(iter(self.pending)))


class Broker:
    """Lives on the event loop; ``publish``, ``hear`` and ``forget`` may be called from any thread.

    Changes are numbered from ``first`` on; taken at random from all that a page can hold exactly, no number
    of an earlier life or of another process comes again.
    """

    def __init__(self, first: int, remembered: int = 1024) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions: set[Subscription] = set()
        self._recent: deque[Change] = deque(maxlen=remembered)
        self._number = first
        #: Tells the other server processes what changed here, where there are others.
        self.relay: Callable[[str, int, frozenset[str]], None] | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End every open stream."""
        self._loop = None
        self._end_streams()

    def publish(self, run: str, version: int, what: frozenset[str]) -> None:
        """A change that was made by this process."""
        if self.relay is not None and what:
            self.relay(run, version, what)
        self.hear(run, version, what)

    def hear(self, run: str, version: int, what: frozenset[str]) -> None:
        """A change that was made, here or elsewhere."""
        loop = self._loop
        if loop is not None and what:
            loop.call_soon_threadsafe(self._publish, run, version, what)

    def _publish(self, run: str, version: int, what: frozenset[str]) -> None:
        self._number += 1
        change = Change(self._number, run, version, what)
        self._recent.append(change)
        for subscription in self._subscriptions:
            subscription.add(change)

    def forget(self) -> None:
        """Changes were missed: end every stream, so that each page comes again and hears how things stand."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._forget)

    def _forget(self) -> None:
        self._recent.clear()
        self._number += 1
        self._end_streams()

    def _end_streams(self) -> None:
        for subscription in self._subscriptions:
            subscription.closed = True
            subscription.woken.set()

    @property
    def number(self) -> int:
        """The number of the newest change."""
        return self._number

    def remembers(self, number: int) -> bool:
        """Whether every change after this one is still known."""
        oldest = self._recent[0].number if self._recent else self._number + 1
        return oldest - 1 <= number <= self._number

    def subscribe(self, runs: Iterable[str], after: int) -> Subscription:
        subscription = Subscription(frozenset(runs), closed=self._loop is None)
        for change in self._recent:
            if change.number > after:
                subscription.add(change)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def __len__(self) -> int:
        return len(self._subscriptions)
