"""Checkpoints as flat dictionaries of tensors, to be compared bit by bit."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from trainer.checkpoint import CheckpointDirectory

#: The process's generators (Python's and numpy's begin anywhere), and what probes remember.
BESIDES_TRAINING = ("process", "watch")


def last_state(directory: Path) -> tuple[int, dict[str, Tensor]]:
    """The step of the newest checkpoint, and everything in it that training depends on."""
    checkpoint = CheckpointDirectory(directory).newest()
    assert checkpoint is not None
    return checkpoint.step, flat({k: v for k, v in checkpoint.parts.items() if k not in BESIDES_TRAINING})


def flat(state: object, prefix: str = "") -> dict[str, Tensor]:
    if isinstance(state, Tensor):
        return {prefix: state}
    if isinstance(state, Mapping):
        return {k: v for name, part in state.items() for k, v in flat(part, f"{prefix}/{name}").items()}
    if isinstance(state, list | tuple):
        return flat(dict(enumerate(state)), prefix)
    return {prefix: torch.tensor(float(state))} if isinstance(state, int | float) else {}


def assert_identical(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
