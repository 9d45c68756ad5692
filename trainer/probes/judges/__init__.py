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


class Judge(Protocol):
    """Anything that scores images. It is called without gradients, and with torch's generators put back
    afterwards.
    """

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

    def score(self, images: Tensor) -> Scores:
        """Of images ``[N, C, H, W]`` in [-1, 1].

        Raises ``ValueError`` for images that it cannot judge, saying which it can.
        """


def joined(scores: Sequence[Scores]) -> Scores:
    """What one judge said of several batches, as of one."""
    qualities = [of.quality for of in scores if of.quality is not None]
    modes = [of.mode for of in scores if of.mode is not None]
    return Scores(torch.cat(qualities) if qualities else None, torch.cat(modes) if modes else None)
