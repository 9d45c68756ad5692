"""How a training is asked to end early: by a signal, by a command from the service, or by its worker.

Each only leaves a word here; the loop reads it between two steps, writes a checkpoint and ends. Of several
processes that train together, what one was asked ends all after the same step.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Final, Literal, Protocol, Self

from trainer.distributed import ALONE, Ranks
from trainer.errors import PeerError

BY_COMMAND: Final = "stopped by command"
#: SIGTERM and SIGUSR1 are what schedulers send before they take a machine away.
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Command(Protocol):
    @property
    def id(self) -> str: ...


class CommandedRun(Protocol):
    def commands(self) -> Sequence[Command]: ...
    def acknowledge(self, command: str, outcome: Literal["done", "failed", "ignored"], /) -> None: ...


def never() -> None:
    """Nobody asks."""


class Stopping:
    """As a context manager it catches SIGTERM, SIGUSR1 and the first Ctrl-C; a second Ctrl-C interrupts at
    once. ``also`` is a further source of reasons.
    """

    def __init__(
        self, run: CommandedRun, ranks: Ranks = ALONE, *, also: Callable[[], str | None] = never
    ) -> None:
        self.run = run
        self.ranks = ranks
        self.also = also
        self.reason: str | None = None
        self._before: dict[int, signal._HANDLER] = {}

    def asked(self) -> str | None:
        """Why to stop, or None. To be called between two steps. The only command allowed is stop."""
        for command in self.run.commands():
            self.reason = self.reason or BY_COMMAND
            self.run.acknowledge(command.id, "done")
        self.reason = self.ranks.agree(self.reason or self.also())
        return self.reason

    def __enter__(self) -> Self:
        # Only the main thread may catch signals.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Where another process died the launcher ends this one too, which still has to say so.
        if not isinstance(error, PeerError):
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGINT and self.reason is not None:
            raise KeyboardInterrupt
        self.reason = f"stopped by {signal.Signals(number).name}"
