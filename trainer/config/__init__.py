"""What a training is made of, as frozen and validated dataclasses.

A recipe returns a ``Config``; the command line overrides its fields; the resolved ``Config`` is stored with
the run and in every checkpoint. Nothing reads a setting from anywhere else. Settings that cannot go together
are refused here, with the reason, before anything is loaded.
"""

from .networks import (
    Activation,
    Architecture,
    Critic,
    CriticName,
    Initialization,
    Network,
    Normalization,
    Pooling,
)
from .objectives import Consistency, LossName, Noise, Penalty, PenaltyName, Points, SampleDifferences
from .optimization import Adam, Batch, Ema, LearningRate
from .running import Checkpoints, Extractor, Fidelity, Metric, Speed
from .stored import from_dict, to_dict
from .training import Config, Dataset

__all__ = [
    "Activation",
    "Adam",
    "Architecture",
    "Batch",
    "Checkpoints",
    "Config",
    "Consistency",
    "Critic",
    "CriticName",
    "Dataset",
    "Ema",
    "Extractor",
    "Fidelity",
    "Initialization",
    "LearningRate",
    "LossName",
    "Metric",
    "Network",
    "Noise",
    "Normalization",
    "Penalty",
    "PenaltyName",
    "Points",
    "Pooling",
    "SampleDifferences",
    "Speed",
    "from_dict",
    "to_dict",
]
