"""Commands that wait for the training loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from time import time as now

from monitor.protocol import Command


class Inbox:
    """Keeps what the server repeats until acknowledged, and hands each command out once."""

    def __init__(self, kinds: Iterable[str], clock: Callable[[], float] = now) -> None:
        self._kinds = frozenset(kinds)
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._waiting: list[Command] = []

    def receive(self, commands: Iterable[Command]) -> None:
        with self._lock:
            for command in commands:
                if command.id not in self._seen and command.kind in self._kinds:
                    self._seen.add(command.id)
                    self._waiting.append(command)

    def take(self, attempt: int) -> list[Command]:
        """Those for this attempt, in the order they came; the expired and those for another are forgotten."""
        if not self._waiting:
            return []
        with self._lock:
            waiting, self._waiting = self._waiting, []
        time = self._clock()
        return [command for command in waiting if command.attempt == attempt and command.expires > time]
