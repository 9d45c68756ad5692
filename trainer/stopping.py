"""How a training is asked to end early, or to go back: by a signal, by a command from the service, by its
worker.

Each only leaves a word here; the loop reads it between two steps, writes a checkpoint and ends. Of several
processes that train together, what one was asked ends all after the same step. Who goes back begins the loop
again, from an earlier checkpoint.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Final, Literal, Protocol, Self

from trainer.distributed import ALONE, Ranks
from trainer.errors import ExhaustedError, PeerError, RescueError, TrainingError
from trainer.rescue import Asking, WayBack

BY_COMMAND: Final = "stopped by command"
AT_TURNING_POINT: Final = "stopped at a turning point"
EXHAUSTED: Final = "stopped at a turning point, every remedy taken"
#: Meant for the training, and not for the machine: it is not to be taken up elsewhere.
MEANT: Final = frozenset({BY_COMMAND, AT_TURNING_POINT, EXHAUSTED})
#: SIGTERM and SIGUSR1 are what schedulers send before they take a machine away.
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Command(Asking, Protocol):
    @property
    def kind(self) -> str: ...


class CommandedRun(Protocol):
    def commands(self) -> Sequence[Command]: ...
    def acknowledge(
        self, command: str, outcome: Literal["done", "failed", "ignored"], detail: str = "", /
    ) -> None: ...


def never() -> None:
    """Nobody asks."""


def nowhere(command: Asking) -> WayBack:
    del command
    raise RescueError("this training keeps nothing that it could go back to")


class Stopping:
    """As a context manager it catches SIGTERM, SIGUSR1 and the first Ctrl-C; a second Ctrl-C interrupts at
    once. ``also`` is a further source of reasons, ``back`` finds the way back that a command asks for.
    """

    def __init__(
        self,
        run: CommandedRun,
        ranks: Ranks = ALONE,
        *,
        also: Callable[[], str | None] = never,
        back: Callable[[Asking], WayBack] = nowhere,
    ) -> None:
        self.run = run
        self.ranks = ranks
        self.also = also
        self.back = back
        #: What all agreed on.
        self.reason: str | None = None
        #: What this process was told. A signal writes it at any moment, in the midst of agreeing too, and so
        #: nothing may take it back.
        self._told: str | None = None
        #: Where to go on from instead of stopping for good.
        self.way: WayBack | None = None
        self._before: dict[int, signal._HANDLER] = {}

    def asked(self) -> str | WayBack | None:
        """Why to leave the loop, or None. To be called between two steps."""
        for command in self.run.commands():
            self._obey(command)
        agreed = self.ranks.agree(self._told or self.also() or self.way)
        self.reason = agreed if isinstance(agreed, str) else None
        self.way = agreed if isinstance(agreed, WayBack) else None
        return self.reason or self.way

    def take_way(self) -> WayBack | None:
        """The way back, once: who takes it is on it."""
        way, self.way = self.way, None
        return way

    def _obey(self, command: Command) -> None:
        match command.kind:
            case "stop":
                at_turning_point = bool(command.parameters.get("automatic"))
                self._told = self._told or (AT_TURNING_POINT if at_turning_point else BY_COMMAND)
                self.run.acknowledge(command.id, "done")
            case "rollback":
                self._go_back(command)
            case kind:
                self.run.acknowledge(command.id, "ignored", f"training knows no {kind}")

    def _go_back(self, command: Command) -> None:
        try:
            self.way = self.way or self.back(command)
        except ExhaustedError as problem:
            self._told = self._told or EXHAUSTED
            self.run.acknowledge(command.id, "failed", str(problem))
        except TrainingError as problem:
            self.run.acknowledge(command.id, "failed", str(problem))

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
        if number == signal.SIGINT and self._told is not None:
            raise KeyboardInterrupt
        # What was meant for the training stays so, or another machine would take it up.
        self._told = self._told or f"stopped by {signal.Signals(number).name}"
