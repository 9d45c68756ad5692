"""The fidelity of the generator in a checkpoint."""

from dataclasses import dataclass
from pathlib import Path

import torch

from trainer import networks
from trainer.checkpoint import Checkpoint, CheckpointDirectory, read
from trainer.config import Config
from trainer.data import load
from trainer.errors import CheckpointError
from trainer.fidelity.measuring import meter_of
from trainer.fidelity.protocol import Protocol
from trainer.training_directory import TrainingDirectory


@dataclass(frozen=True)
class Measured:
    step: int
    #: By the names of their series.
    figures: dict[str, float]
    protocol: Protocol


def open_checkpoint(where: Path) -> Checkpoint:
    """The one in that file, or the newest in that folder of a training."""
    if where.is_file():
        return read(where)
    found = TrainingDirectory(where).checkpoints.newest() or CheckpointDirectory(where).newest()
    if found is None:
        raise CheckpointError(
            f"no checkpoint in {where.absolute()}: pass the folder of a training, or a file"
        )
    return found


def measure_checkpoint(checkpoint: Checkpoint, config: Config, device: torch.device) -> Measured:
    """``config`` is the checkpoint's, with another ``data`` or ``fidelity`` where one wants it."""
    G, _ = networks.build(config)
    try:
        G.load_state_dict(checkpoint.parts["G_ema"])
    except (KeyError, RuntimeError) as problem:
        raise CheckpointError(
            f"{checkpoint.path}: G_ema does not fit this configuration: {problem}"
        ) from problem
    meter = meter_of(config, G.to(device), load(config))
    return Measured(checkpoint.step, meter.measure(), meter.protocol)
