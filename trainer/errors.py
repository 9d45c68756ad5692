"""What the person who started a training can put right; each message says how."""


class TrainingError(Exception):
    """Base of the others: the command line prints it as one line."""


class ConfigError(TrainingError, ValueError):
    """A setting that cannot be trained with."""


class DataError(TrainingError):
    """Data that cannot be trained on."""


class CheckpointError(TrainingError):
    """No checkpoint to go on from, or one that does not fit."""


class DamagedCheckpointError(CheckpointError):
    """The content of a checkpoint is not what was written."""


class BusyError(CheckpointError):
    """Another process trains in the same folder."""


class UnsavedError(CheckpointError):
    """A checkpoint could not be written."""


class RescueError(TrainingError):
    """A turning point that training cannot go back to before."""


class ExhaustedError(RescueError):
    """It turned again, and every remedy was taken."""


class PeerError(TrainingError):
    """Another process of the training is gone."""


class FidelityError(TrainingError):
    """Fidelity that cannot be measured as it was asked for."""


class UnfetchedError(FidelityError):
    """The feature network's weights are not there, and nobody named a file with them."""
