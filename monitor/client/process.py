"""How the process ends or multiplies, and what that means for its runs."""

from __future__ import annotations

import atexit
import os
import sys
from types import TracebackType
from typing import Protocol


class Watched(Protocol):
    """A run, as far as its process concerns it."""

    def forsake(self) -> None: ...

    def end_with_process(self, error: str | None) -> None: ...


#: Held here too, so that a run whose script keeps no reference to it is ended all the same.
_runs: set[Watched] = set()
_error: str | None = None
_installed = False


def watch(run: Watched) -> None:
    """Tell the run when its process forks or ends."""
    global _installed  # noqa: PLW0603 - the hooks are the interpreter's, and there is one of them
    if not _installed:
        _installed = True
        os.register_at_fork(after_in_child=_after_fork)
        atexit.register(_at_exit)
        _chain_excepthook()
    _runs.add(run)


def unwatch(run: Watched) -> None:
    _runs.discard(run)


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def is_success(error: BaseException) -> bool:
    """Whether the program leaves on purpose and without complaint."""
    return isinstance(error, SystemExit) and error.code in (None, 0)


def _after_fork() -> None:
    for run in list(_runs):
        run.forsake()
    _runs.clear()


def _at_exit() -> None:
    for run in list(_runs):
        run.end_with_process(_error)


def _chain_excepthook() -> None:
    previous = sys.excepthook

    def note_and_pass_on(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        global _error  # noqa: PLW0603
        _error = describe(error)
        previous(kind, error, traceback)

    sys.excepthook = note_and_pass_on
