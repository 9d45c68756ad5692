"""The process that trains one job for a worker: ``python -m trainer.job``.

It is told what to do by the first line of its standard input, and reads on while it trains: every further
line is a reason to stop, and an end without one means that the worker is dead. The last thing it writes to
its standard output is how it ended.
"""

import logging
import os
import signal
import threading
from contextlib import suppress
from io import FileIO
from types import FrameType
from typing import Any

import msgspec

from monitor.protocol import Remedy
from trainer.errors import BusyError, TrainingError


class Order(msgspec.Struct, frozen=True):
    """What to train, as whom, and on what."""

    recipe: str
    overrides: dict[str, Any]
    run: str
    attempt: int | None
    remedies: tuple[Remedy, ...]
    project: str
    name: str
    tags: tuple[str, ...]
    server: str
    device: str
    quiet: bool


class Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it ended. Without any of these it is over as it was meant to be."""

    #: Why it ended early, its checkpoint written.
    stopped: str = ""
    #: Whether that was meant for the training, and not for the machine.
    is_commanded: bool = False
    #: What somebody has to put right: another try would meet it again.
    failed: str = ""
    #: What another try may not meet.
    died: str = ""
    #: Somebody else still trains it here.
    busy: str = ""


class Lifeline:
    """Why to stop: from a signal, or from the worker, which is followed into death."""

    def __init__(self, source: FileIO) -> None:
        self._source = source
        self._reason: str | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._note)

    def order(self) -> Order:
        order = msgspec.json.decode(self._source.readline(), type=Order)
        threading.Thread(target=self._listen, name="lifeline", daemon=True).start()
        return order

    def asked(self) -> str | None:
        return self._reason

    def _listen(self) -> None:
        line = self._source.readline().decode().strip()
        self._reason = self._reason or line or "stopped because its worker died"

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._reason = self._reason or f"stopped by {signal.Signals(number).name}"


def main() -> None:
    # Not sys.stdin: its buffer cannot be closed at exit while a thread waits in it.
    lifeline = Lifeline(FileIO(0, closefd=False))
    report = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not be taken for the report
    logging.basicConfig(format="%(message)s")
    logging.getLogger("trainer").setLevel(logging.INFO)
    logging.captureWarnings(True)
    ending = Ending(died="it broke off")
    try:
        ending = train(lifeline.order(), lifeline)
    except BusyError as problem:
        ending = Ending(busy=str(problem))
    except TrainingError as problem:
        ending = Ending(failed=str(problem))
    except Exception as problem:
        ending = Ending(died=f"{type(problem).__name__}: {problem}")
        raise
    finally:
        with suppress(BrokenPipeError), report:  # the worker may be dead
            report.write(msgspec.json.encode(ending))


def train(order: Order, lifeline: Lifeline) -> Ending:
    # What cannot be trained is said before torch is loaded.
    from trainer.overrides import overridden  # noqa: PLC0415

    config = overridden(order.recipe, order.overrides)
    from trainer.cli import load_torch  # noqa: PLC0415

    load_torch()
    from trainer.beginning import Assignment  # noqa: PLC0415
    from trainer.options import Options  # noqa: PLC0415
    from trainer.session import run_training  # noqa: PLC0415
    from trainer.stopping import MEANT  # noqa: PLC0415

    options = Options(
        server=order.server,
        project=order.project,
        name=order.name or None,
        tags=order.tags,
        resume=True,
        device=order.device,
        quiet=order.quiet,
    )
    assignment = Assignment(order.run, order.attempt, order.remedies, lifeline.asked)
    outcome = run_training(config, options, assignment)
    if outcome.stopped is None:
        return Ending()
    return Ending(stopped=f"{outcome.stopped} at step {outcome.step}", is_commanded=outcome.stopped in MEANT)


if __name__ == "__main__":
    main()
