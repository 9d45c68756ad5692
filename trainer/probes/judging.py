"""Samples on their way through the judges: asked now, answered now or later, never waited for.

A panel takes samples as they are drawn, and hands out answers when they are there. ``Here`` judges in the
training process: on a CPU the answer is there at once, on a GPU when its copies to the host have landed. The
panel of ``judges.beside`` judges in a process of its own.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .judges import Described, Judge, Scores, check, joined
from .landing import Landing, to_host
from .sample_grid import to_pixels


class Moment(NamedTuple):
    """When samples were drawn: what is said of them later belongs there."""

    step: int
    mark: int


class Answer(NamedTuple):
    #: None for the real images.
    moment: Moment | None
    #: All that was judged, on the host: uint8 ``[n, H, W]`` or ``[n, H, W, 3]``.
    pixels: Tensor
    #: By the judge's name, on the host; none where no judge was asked, or one failed.
    scores: dict[str, Scores]
    #: Why no judge answers any more; empty if they do.
    problem: str = ""


class Panel(Protocol):
    @property
    def judges(self) -> Sequence[Described]: ...

    @property
    def room(self) -> int | None:
        """How many marks they take that are not answered; None if answers come as fast as questions."""

    @property
    def pending(self) -> int:
        """How many questions have no answer that was handed out."""

    def rehearse(self, images: Tensor) -> None:
        """Judge two images, and raise ``ValueError`` or ``TypeError`` where that does not work."""

    def ask(self, moment: Moment | None, batches: Iterable[Tensor]) -> None:
        """Draw the batches, images ``[N, C, H, W]`` in [-1, 1], and have them judged, without waiting."""

    def answers(self) -> list[Answer]:
        """Those that have come since, in the order of asking, without waiting."""

    def wait(self, seconds: float) -> None:
        """Until all is answered, at most for so long."""

    def close(self) -> None:
        """Nothing more is asked, and what is not answered never will be."""


class Here:
    """Judges in this process, in the stream that the samples are drawn in. Without judges none judge."""

    room = None

    def __init__(self, judges: Sequence[Judge] = ()) -> None:
        self.judges = judges
        self._asked: list[tuple[Answer, Landing]] = []

    @property
    def pending(self) -> int:
        return len(self._asked)

    def rehearse(self, images: Tensor) -> None:
        for judge in self.judges:
            check(judge, judge.score(images), len(images))

    def ask(self, moment: Moment | None, batches: Iterable[Tensor]) -> None:
        pixels: list[Tensor] = []
        scores: dict[str, list[Scores]] = {judge.name: [] for judge in self.judges}
        problem = ""
        for images in batches:
            pixels.append(to_pixels(images))
            if not problem:
                try:
                    for judge in self.judges:
                        scores[judge.name].append(judge.score(images))
                except Exception as error:  # noqa: BLE001  whatever it is, the samples are still shown
                    problem = repr(error)
        shown = torch.cat(pixels)
        landed = {} if problem else {name: _landed(joined(of)) for name, of in scores.items()}
        answer = Answer(moment, to_host(shown), landed, problem)
        self._asked.append((answer, Landing(shown.device)))

    def answers(self) -> list[Answer]:
        arrived: list[Answer] = []
        while self._asked and self._asked[0][1].has_landed():
            arrived.append(self._asked.pop(0)[0])
        return arrived

    def wait(self, seconds: float) -> None:
        del seconds  # a copy takes none
        for _, landing in self._asked:
            landing.wait()

    def close(self) -> None:
        self._asked = []


def _landed(scores: Scores) -> Scores:
    return Scores(*(None if part is None else to_host(part) for part in scores))
