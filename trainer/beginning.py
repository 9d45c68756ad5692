"""Where a training begins or goes on: what lies in its folder, and what a worker knows of its run."""

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.client.progress import progress_path, read_progress
from monitor.protocol import Remedy
from trainer.checkpoint import Checkpoint
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.errors import ConfigError
from trainer.options import Options
from trainer.overrides import changed, differences
from trainer.rescue import as_elsewhere, gone_back
from trainer.stopping import never
from trainer.training_directory import RunRecord, TrainingDirectory

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """What a worker prescribes of a training besides its settings."""

    run: str
    #: The newest attempt of the run that the service knows of; None where it knows no such run.
    attempt: int | None = None
    #: Those it has taken so far, as the service knows.
    remedies: tuple[Remedy, ...] = ()
    #: Why to stop, or None; asked between two steps.
    asked: Callable[[], str | None] = never


@dataclass(frozen=True)
class Beginning:
    """Where a training begins or goes on, as rank 0 found it."""

    directory: TrainingDirectory
    record: RunRecord
    #: With what remedies have changed.
    config: Config
    checkpoint: Checkpoint | None
    #: Whether the run has begun before, here or elsewhere.
    is_known: bool
    #: The attempt that is gone on with.
    attempt: int | None
    #: Whether more may have been logged than the checkpoint knows of.
    is_behind: bool

    @property
    def step(self) -> int:
        return self.checkpoint.step if self.checkpoint else 0

    def under_way(self, processes: int) -> "Beginning":
        """As it is once the run has heard where it goes on from."""
        return replace(self, record=replace(self.record, ended_at=None, processes=processes, going_back=None))


def find_beginning(
    config: Config, options: Options, assignment: Assignment | None, held: ExitStack
) -> Beginning:
    """What lies in the training's folder, which stays locked as long as ``held`` is."""
    run = assignment.run if assignment else f"{config.recipe}-{secrets.token_hex(4)}"
    elsewhere, remedies = (assignment.attempt, assignment.remedies) if assignment else (None, ())
    directory = TrainingDirectory(options.out or trainings() / run)
    held.enter_context(directory.locked())
    name = options.name or f"{config.recipe} seed {config.seed}"
    if not directory.holds_training():
        record, is_new = as_elsewhere(RunRecord(run, options.project, name), remedies), elsewhere is None
        if not is_new:
            told = "run %s was trained elsewhere, without its checkpoints it begins again%s"
            logger.info(told, run, with_those(remedies))
        config = changed(config, record.settings)
        return Beginning(
            directory,
            record,
            config,
            checkpoint=None,
            is_known=not is_new,
            attempt=elsewhere,
            is_behind=not is_new,
        )
    if not options.resume:
        raise ConfigError(
            f"{directory.path} holds a training: add --resume to go on, or choose another --out"
        )
    known = directory.record()
    record = as_elsewhere(known, remedies)
    if record is not known:
        # Nobody knows whether what lies here had turned too: a remedy belongs before a turn.
        logger.info("run %s turned elsewhere, it begins again%s", record.run, with_those(remedies))
        directory.checkpoints.set_aside(after=0)
    elif record.going_back is not None:
        directory.checkpoints.set_aside(after=record.going_back.step)
    config, checkpoint = changed(config, record.settings), directory.checkpoints.newest()
    if checkpoint is not None and checkpoint.config.rollbacks < config.rollbacks:
        checkpoint = gone_back(checkpoint, config)
    here = read_progress(progress_path(home(), record.run, rank=0)).attempt
    # It was killed, or its newest checkpoint is lost, or another machine went on with it.
    is_behind = record.ended_at != (checkpoint.step if checkpoint else 0) or (elsewhere or 0) > here
    attempt = max(here, elsewhere or 0)
    return Beginning(
        directory, record, config, checkpoint, is_known=True, attempt=attempt, is_behind=is_behind
    )


def with_those(remedies: Sequence[Remedy]) -> str:
    return "".join(f", with {remedy.name}, which it took" for remedy in remedies)


def compare_with_before(before: Checkpoint, record: RunRecord, config: Config, ranks: Ranks) -> None:
    """Other settings are allowed, and said: a training is not another experiment by accident."""
    if record.processes != ranks.count:
        raise ConfigError(
            f"this training has {record.processes} processes up to step {before.step}, and is to go on with "
            f"{ranks.count}: its batches and epochs would be others; begin it anew, or go on with as many "
            f"(torchrun --nproc-per-node {record.processes})"
        )
    if changed := differences(before.config, config):
        told = ", ".join(f"{name} from {was} to {now}" for name, (was, now) in changed.items())
        logger.info("settings changed at step %d: %s", before.step, told)


def home() -> Path:
    return Path(os.environ.get("GANWATCH_DIR") or ".ganwatch")


def trainings() -> Path:
    """Where trainings lie that were given no folder."""
    return home() / "trainings"
