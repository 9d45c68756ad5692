"""Judges: pretrained networks that score samples.

Quality and diversity mean what their judge means by them, so every stored value names it
(``quality/digits-classifier``) and values of different judges never share a series. Several may look at the
same samples: a face detector for quality and a recognizer for diversity.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Scores(NamedTuple):
    """What a judge says of ``N`` images."""

    #: How surely each is what it should be, in [0, 1] ``[N]``; None from a judge that gives no quality.
    quality: Tensor | None
    #: The mode of each, int64 ``[N]``, -1 where it belongs to none; None from a judge that tells no modes.
    mode: Tensor | None


class Described(Protocol):
    """What is known of a judge, wherever it works."""

    @property
    def name(self) -> str:
        """Ends the names of its series: lower case, short, without a slash."""

    @property
    def gives_quality(self) -> bool:
        """Whether it says how good an image is."""

    @property
    def m(self) -> int | None:
        """How many modes it tells apart; None if it tells none."""

    @property
    def help(self) -> str:
        """What it is and how far it can be trusted, for the page."""


class Judge(Described, Protocol):
    """Anything that scores images. It is called without gradients, and with torch's generators put back
    afterwards.
    """

    def score(self, images: Tensor) -> Scores:
        """Of images ``[N, C, H, W]`` in [-1, 1], on whatever device.

        Raises ``ValueError`` for images that it cannot judge, saying which it can.
        """


def mode_names(judge: Described) -> tuple[str, ...]:
    """What its modes are called, by their numbers, if it has ``modes`` that say so."""
    return tuple(getattr(judge, "modes", ()))


def seats(judges: Judge | Sequence[Judge]) -> tuple[Judge, ...]:
    """One judge or several, as several with different names."""
    several = tuple(judges) if isinstance(judges, Sequence) else (judges,)
    names = [judge.name for judge in several]
    if len(set(names)) < len(names):
        raise ValueError(f"judges are told apart by their names, and these are {', '.join(names)}")
    return several


def joined(scores: Sequence[Scores]) -> Scores:
    """What one judge said of several batches, as of one."""
    qualities = [of.quality for of in scores if of.quality is not None]
    modes = [of.mode for of in scores if of.mode is not None]
    return Scores(torch.cat(qualities) if qualities else None, torch.cat(modes) if modes else None)


def check(judge: Described, scores: object, n: int) -> None:
    """Whether what it says of ``n`` images is what it says that it says."""
    if not isinstance(scores, Scores):
        raise TypeError(f"judge {judge.name}: score() must return Scores(quality, mode)")
    for what, given, promised in (
        ("quality", scores.quality, judge.gives_quality),
        ("mode", scores.mode, judge.m is not None),
    ):
        if (given is not None) != promised or (given is not None and given.shape != (n,)):
            found = "no" if given is None else list(given.shape)
            raise ValueError(
                f"judge {judge.name} has gives_quality={judge.gives_quality} and m={judge.m}, and of {n} "
                f"images it gives {found} {what}"
            )
