"""The process that judges beside a training: ``python -m trainer.probes.judges.process PID``, with the
training's; see ``beside.py``.

It reads pickled questions from its standard input and answers each on its standard output: first where to
judge and with which judges, then batches of images. It ends when it is asked None, or nothing any more, or
when whoever started it has ended.
"""

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from . import Judge, Scores, joined, mode_names, seats

#: How often it looks whether the training is still there, in seconds.
LOOKS: Final = 1.0

Batches = list[NDArray[np.float32]]
#: Quality and mode.
Arrays = tuple[NDArray[Any] | None, NDArray[Any] | None]


class Court:
    """Its judges, and where they get their images."""

    def __init__(self) -> None:
        self.judges: Sequence[Judge] = ()
        self.device = torch.device("cpu")

    def convene(
        self, luggage: bytes, device: str
    ) -> list[tuple[str, bool, int | None, str, tuple[str, ...]]]:
        brought = pickle.loads(luggage)  # noqa: S301  written by ourselves
        is_factory = callable(brought) and not hasattr(type(brought), "score")
        self.judges = seats(brought() if is_factory else brought)
        self.device = torch.device(device)
        return [
            (judge.name, judge.gives_quality, judge.m, judge.help, mode_names(judge)) for judge in self.judges
        ]

    @torch.no_grad()
    def score(self, batches: Batches) -> dict[str, Arrays]:
        """Quality and mode of every image, by the judge's name."""
        said: dict[str, list[Any]] = {judge.name: [] for judge in self.judges}
        for batch in batches:
            images = torch.from_numpy(batch).to(self.device)
            for judge in self.judges:
                said[judge.name].append(judge.score(images))
        return {name: _arrays(joined(scores)) for name, scores in said.items()}


def _arrays(scores: Scores) -> Arrays:
    quality, mode = (None if part is None else part.cpu().numpy() for part in scores)
    return quality, mode


def end_with(parent: int) -> None:
    """The pipe alone does not tell: forked workers of a training that was killed may hold it open."""
    while os.getppid() == parent:
        time.sleep(LOOKS)
    os._exit(1)


def main() -> None:
    # Told, not asked for: a training that was killed while torch was loaded is the parent no more.
    threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    # The signals that end a training reach its whole group; what is queued is to be answered all the same.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a judge prints must not be taken for an answer
    court = Court()
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)  # noqa: S301  written by ourselves
        except (EOFError, pickle.UnpicklingError):  # whoever asks is gone, maybe in mid-sentence
            return
        if question is None:
            return
        answer: tuple[bool, object]
        try:
            answer = True, court.convene(*question) if isinstance(question, tuple) else court.score(question)
        except Exception as error:  # noqa: BLE001  it is told there
            answer = False, f"{type(error).__name__}: {error}"
        try:
            pickle.dump(answer, answers, protocol=5)
            answers.flush()
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
