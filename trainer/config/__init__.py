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
from .rescue import OnTurningPoint, RemedyName, Rescue
from .running import Checkpoints, Extractor, Fidelity, Judges, JudgesName, Metric, Speed
from .stored import from_dict, to_dict
from .training import UNTYPED, Config, Dataset

__all__ = [
    "UNTYPED",
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
    "Judges",
    "JudgesName",
    "LearningRate",
    "LossName",
    "Metric",
    "Network",
    "Noise",
    "Normalization",
    "OnTurningPoint",
    "Penalty",
    "PenaltyName",
    "Points",
    "Pooling",
    "RemedyName",
    "Rescue",
    "SampleDifferences",
    "Speed",
    "from_dict",
    "to_dict",
]
