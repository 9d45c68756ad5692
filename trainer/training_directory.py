"""What one training keeps on disk: its checkpoints, and which run it is.

``run.json`` names the run, and the step at which the training ended in order. While it trains the step is
missing, so after a kill it is known that more may have been logged than the last checkpoint holds.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainer.checkpoint import CheckpointDirectory
from trainer.errors import BusyError, CheckpointError


@dataclass(frozen=True)
class GoingBack:
    """The training goes on from an earlier step, because it had turned."""

    step: int
    reason: str
    remedy: str
    #: What the remedy changes, by the names of settings.
    settings: dict[str, Any]
    #: The command that asked for it.
    command: str


@dataclass(frozen=True)
class RunRecord:
    run: str
    project: str
    name: str | None
    ended_at: int | None = None
    processes: int = 1
    #: Settings that remedies have changed so far: they go before whatever the training is started with.
    settings: dict[str, Any] = field(default_factory=dict)
    #: What is decided and not done yet.
    going_back: GoingBack | None = None

    @classmethod
    def from_json(cls, text: str) -> "RunRecord":
        known = json.loads(text)
        going_back = known.pop("going_back", None)
        return cls(**known, going_back=going_back and GoingBack(**going_back))


class TrainingDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = CheckpointDirectory(path / "checkpoints")
        self._record = path / "run.json"

    def holds_training(self) -> bool:
        return self._record.exists()

    def record(self) -> RunRecord:
        try:
            return RunRecord.from_json(self._record.read_text())
        except (OSError, ValueError, TypeError, AttributeError) as problem:
            raise CheckpointError(
                f"{self._record.absolute()} names no run to go on with: {problem}"
            ) from problem

    def write_record(self, record: RunRecord) -> None:
        partial = self._record.with_suffix(".partial")
        with partial.open("w") as file:
            json.dump(asdict(record), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._record)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One training at a time; the lock dies with the process."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / "lock").open("w")
        except OSError as problem:
            raise CheckpointError(
                f"{self.path.absolute()} cannot be made or written to ({problem.strerror}): "
                "choose another --out"
            ) from problem
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise BusyError(f"another process trains in {self.path.absolute()}") from problem
            yield
