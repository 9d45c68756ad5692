"""What every reader yields, whatever the log was written by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

#: A time below this (1973) is not a date but seconds since the training began.
ELAPSED = 1e8
#: What an entry raises that is not as its tracker writes it. It is left out, and told.
MALFORMED = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Scalars:
    """Numbers of one step. ``time``: Unix seconds, seconds since the beginning, or None."""

    step: int
    time: float | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Distribution:
    """``values``: in the order of ``protocol.DISTRIBUTION_FIELDS``."""

    step: int
    time: float | None
    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Pictures:
    """``images``: uint8 ``[N, H, W, C]``."""

    step: int
    time: float | None
    name: str
    images: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Note:
    """Something of the log that is not imported, and why; each text is told once."""

    text: str
    is_damage: bool = False


Record = Scalars | Distribution | Pictures | Note


@dataclass(frozen=True)
class About:
    """What a log says of the run as a whole."""

    config: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    project: str = ""
    #: Unix seconds; None where the log does not say.
    began: float | None = None
    ended: float | None = None
    outcome: Literal["finished", "failed"] = "finished"
    message: str = ""


class Reader(Protocol):
    """One format. Reading the same file again yields the same records."""

    #: As ``--format`` names it.
    name: str

    def reads(self, path: Path) -> bool:
        """Whether the file is of this format, by its name and first bytes."""
        ...

    def describe(self, path: Path) -> About: ...

    def read(self, path: Path) -> Iterator[Record]: ...


class Unreadable(Exception):  # noqa: N818 - told to whoever named the file, as one line
    """Why a file cannot be imported."""
