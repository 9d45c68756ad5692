"""``gantrain fidelity WHERE``: the figures of a stored checkpoint, for the command line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from monitor.client.typed_numbers import NUMBERS
from trainer.config import Fidelity
from trainer.distributed import choose_device
from trainer.fidelity.stored import measure_checkpoint, open_checkpoint


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What is measured, on what: by default as while it trained."""

    fidelity: Fidelity
    #: Where the training images lie.
    data: Path | None
    #: cpu, cuda, cuda:1 (default: a GPU where there is one).
    device: str | None = None


def measured_lines(where: Path, arguments: Sequence[str]) -> Iterator[str]:
    """What is told of the checkpoint: a figure a line, and how all of them were made."""
    checkpoint = open_checkpoint(where)
    chosen = tyro.cli(
        Measurement,
        default=Measurement(fidelity=checkpoint.config.fidelity, data=checkpoint.config.data),
        args=arguments,
        registry=NUMBERS,
        prog=f"gantrain fidelity {where}",
        description=f"Measure the generator of step {checkpoint.step}.",
    )
    config = replace(checkpoint.config, fidelity=chosen.fidelity, data=chosen.data)
    found = measure_checkpoint(checkpoint, config, choose_device(chosen.device))
    yield from (f"{name:<40} {value:.6g}" for name, value in found.figures.items())
    yield f"step {found.step}: {found.protocol}"
