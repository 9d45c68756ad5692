"""The loss logs of pro_gan_pytorch: the discriminator's and the generator's loss, a tab between, no names.

    8.209589004516602\t0.15670806169509888

There is one file a resolution, ``<name>_loss_<depth>.log``; lines are counted as steps, for nothing else is
said of when they were written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.interop.fields import number_of
from monitor.interop.records import About, Note, Record, Scalars

name = "progan"


def reads(path: Path) -> bool:
    with path.open("rb") as file:
        return _losses(file.readline(4096).decode("utf-8", "replace")) is not None


def describe(path: Path) -> About:  # noqa: ARG001 - there is nothing to be read of it
    return About()


def read(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            losses = _losses(line)
            if losses is None:
                yield Note(f"line {number + 1} does not hold two losses", is_damage=True)
            else:
                yield Scalars(number, None, {"loss/d": losses[0], "loss/g": losses[1]})


def _losses(line: str) -> tuple[float, float] | None:
    numbers = [number_of(cell) for cell in line.split("\t")]
    match numbers:
        case [float(d), float(g)]:
            return d, g
    return None
