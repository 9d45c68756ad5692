"""Judges in a process of their own, so that training waits only for the drawing of samples.

    watch = Watch(G, D, run, real=images, z=128, judge=Beside(face_judges))

The process is started and the judges are made before the first step; what does not work there is raised
here. Samples go through a bounded queue: one evaluation is judged while one waits, and a mark that finds the
queue full is not judged, which the watch counts. A process that dies answers nothing more, and training goes
on.

The process is a fresh interpreter and never runs the training script: judges, or the function that makes
them, come from modules that can be imported. It ignores the signals that end a training (what is queued is
still answered) and ends when the training process does, however that ends. What is not answered when a
training is killed outright is lost: two evaluations at most.
"""

import atexit
import math
import os
import pickle
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from ..judging import Answer, Moment
from ..landing import Landing, to_host
from ..sample_grid import to_pixels
from . import Described, Judge, Scores, check

#: Marks that are judged or wait for it.
ROOM: Final = 2
#: How long the process may take to end by itself, in seconds.
GRACE: Final = 5.0


class Portrait(NamedTuple):
    """A judge as it describes itself."""

    name: str
    gives_quality: bool
    m: int | None
    help: str
    modes: tuple[str, ...]


class Beside:
    """Judges to be had in a process of their own: themselves, if they can be pickled, or a function of a
    module that makes them there.
    """

    def __init__(self, judges: Judge | Sequence[Judge] | Callable[[], Judge | Sequence[Judge]]) -> None:
        self._luggage = packed(judges)

    def open(self, device: torch.device) -> "JudgesBeside":
        """Start the process, in which the judges get images on ``device``."""
        return JudgesBeside(self._luggage, device)


def packed(judges: object) -> bytes:
    """Refuses what the other process could not unpack."""
    try:
        luggage = pickle.dumps(judges)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"judges cannot go into another process: {error}. Pass Beside(make_judges), a function of a "
            "module, or the judges without Beside"
        ) from error
    if b"__main__" in luggage:
        raise TypeError(
            "judges that are defined in the script itself cannot go into another process: put them into a "
            "module that it imports, or pass them without Beside"
        )
    return luggage


class _Asked(NamedTuple):
    moment: Moment | None
    #: On their way to the host.
    batches: list[Tensor]
    landing: Landing


class GoneError(RuntimeError):
    """The process does not answer, or answers that it cannot."""


class JudgesBeside:
    """The panel (``judging.Panel``): a process, and the thread that talks to it."""

    room = ROOM

    def __init__(self, luggage: bytes, device: torch.device) -> None:
        self.process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-m", f"{__package__}.process", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Threads that wait spinning would take the training's cores.
            env={"OMP_WAIT_POLICY": "passive", **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        finalizer = weakref.finalize(self, _kill, self.process)
        # At exit the run may still wait for what is judged; the process ends with this one anyway.
        finalizer.atexit = False
        self._kill = finalizer
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._answered: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        #: Answers that were waited for and not handed out yet.
        self._kept: list[Answer] = []
        self.pending = 0
        try:
            portraits = _call(self.process, (luggage, str(device)))
        except BaseException as problem:
            self._kill()
            if isinstance(problem, GoneError):
                raise ValueError(f"the judges cannot be made in a process of their own: {problem}") from None
            raise
        self.judges: Sequence[Described] = [Portrait(*portrait) for portrait in portraits]
        # It holds no reference to this object, or nobody could forget it.
        self._thread = threading.Thread(
            target=_converse,
            args=(self.process, self._asked, self._answered),
            name="judges beside",
            daemon=True,
        )
        self._thread.start()
        _open.add(self)

    def rehearse(self, images: Tensor) -> None:
        self.ask(None, [images])
        self.wait(math.inf)
        (answer,) = self.answers()
        if answer.problem:
            raise ValueError(answer.problem)
        for judge in self.judges:
            check(judge, answer.scores[judge.name], len(images))

    def ask(self, moment: Moment | None, batches: Iterable[Tensor]) -> None:
        device, landing = torch.device("cpu"), list[Tensor]()
        for images in batches:  # of which the device holds one at a time
            device = images.device
            landing.append(to_host(images.detach().float()))
        self._asked.put(_Asked(moment, landing, Landing(device)))
        self.pending += 1

    def answers(self) -> list[Answer]:
        arrived, self._kept = self._kept, []
        with suppress(queue.Empty):
            while True:
                arrived.append(self._answered.get_nowait())
        self.pending -= len(arrived)
        return arrived

    def wait(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        with suppress(queue.Empty):
            while len(self._kept) < self.pending:
                left = None if math.isinf(deadline) else max(0.0, deadline - monotonic())
                self._kept.append(self._answered.get(timeout=left))

    def close(self) -> None:
        self._asked.put(None)
        if not self.pending:
            self._thread.join(GRACE)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)
        self._kill()
        self._thread.join(GRACE)


_open: weakref.WeakSet[JudgesBeside] = weakref.WeakSet()


# Registered with the module, so that what was registered later, as the end of a run, may still wait for what
# is judged. Without it the end of the interpreter would cut off a thread inside torch, and abort.
@atexit.register
def _close_all() -> None:
    for judges in list(_open):
        judges.close()


def _converse(
    process: subprocess.Popen[bytes],
    asked: queue.SimpleQueue[_Asked | None],
    answered: queue.SimpleQueue[Answer],
) -> None:
    """One question after the other, until there are no more."""
    problem = ""
    while (question := asked.get()) is not None:
        question.landing.wait()
        pixels = torch.cat([to_pixels(images) for images in question.batches])
        scores: dict[str, Scores] = {}
        if not problem:
            try:
                said = _call(process, [images.numpy() for images in question.batches])
                scores = {name: _scores(*parts) for name, parts in said.items()}
            except GoneError as gone:
                problem = str(gone)
        answered.put(Answer(question.moment, pixels, scores, problem))
    assert process.stdin
    # Said, because forked workers of the training may hold the pipe open; unless the process is gone already.
    with suppress(OSError, ValueError):
        pickle.dump(None, process.stdin)
        process.stdin.flush()


def _call(process: subprocess.Popen[bytes], question: object) -> Any:
    """Ask, and wait for the answer. Raises ``GoneError``."""
    assert process.stdin
    assert process.stdout
    try:
        pickle.dump(question, process.stdin, protocol=5)
        process.stdin.flush()
        is_answered, answer = pickle.load(process.stdout)  # noqa: S301  written by ourselves
    except (OSError, EOFError, ValueError, pickle.UnpicklingError):
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        raise GoneError(f"their process ended ({process.returncode})") from None
    if not is_answered:
        raise GoneError(answer)
    return answer


def _scores(quality: Any, mode: Any) -> Scores:
    return Scores(*(None if part is None else torch.from_numpy(part) for part in (quality, mode)))


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(OSError):
                pipe.close()
