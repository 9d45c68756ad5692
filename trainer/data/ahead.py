"""One thing prepared while the one before is used."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """``prepare(position)``, called in a thread for the position that will probably be taken next.

    ``prepare`` must depend on its position alone. Taking another position than was announced is allowed: what
    was prepared is then dropped. What ``prepare`` raises is raised by ``take``.
    """

    def __init__(self, prepare: Callable[[int], T]) -> None:
        self._prepare = prepare
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="images-ahead")
        self._next: tuple[int, Future[T]] | None = None

    def take(self, position: int, then: int) -> T:
        """What belongs to ``position``; from now on ``then`` is prepared."""
        waiting = self._next
        if waiting is None or waiting[0] != position:
            waiting = position, self._thread.submit(self._prepare, position)
        taken = waiting[1].result()
        self._next = then, self._thread.submit(self._prepare, then)
        return taken
