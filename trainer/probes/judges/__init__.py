"""Judges: pretrained networks that score samples.

Quality and diversity mean what their judge means by them, so every stored value names it
(``quality/digits-classifier``) and values of different judges never share a series.
"""

from typing import Protocol

from torch import Tensor


class Judge(Protocol):
    """Anything that scores images. It is called without gradients, and with torch's generators put back
    afterwards.
    """

    @property
    def name(self) -> str:
        """Ends the names of its series: lower case, short, without a slash."""

    @property
    def m(self) -> int:
        """How many modes it tells apart."""

    @property
    def help(self) -> str:
        """What it is and how far it can be trusted, for the page."""

    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of images ``[N, C, H, W]`` in [-1, 1]: each one's quality in [0, 1] ``[N]``, and its mode, int64
        ``[N]``.

        Mode -1: it belongs to none. Raises ``ValueError`` for images that it cannot judge, saying which it
        can.
        """
