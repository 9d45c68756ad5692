"""One training as a run of the monitor: begin it or go on with it, train, end in order."""

import logging
import os
import secrets
from dataclasses import replace
from pathlib import Path

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

import monitor
from trainer import data
from trainer.config import Config, to_dict
from trainer.errors import ConfigError
from trainer.loop import Outcome, train
from trainer.options import Options
from trainer.schedule import Schedule
from trainer.stopping import Stopping
from trainer.training_directory import RunRecord, TrainingDirectory
from trainer.watching import Unwatched, probes

logger = logging.getLogger(__name__)


def run_training(config: Config, options: Options) -> Outcome:
    device = choose_device(options.device)
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be
        torch.use_deterministic_algorithms(True)
    images = data.load(config)
    new_run = f"{config.recipe}-{secrets.token_hex(4)}"
    directory = TrainingDirectory(options.out or trainings() / new_run)
    with directory.locked():
        goes_on = directory.holds_training()
        if goes_on and not options.resume:
            raise ConfigError(
                f"{directory.path} holds a training: add --resume to go on, or choose another --out"
            )
        name = options.name or f"{config.recipe} seed {config.seed}"
        record = directory.record() if goes_on else RunRecord(new_run, options.project, name)
        checkpoint = directory.checkpoints.newest()
        step = checkpoint.step if checkpoint else 0
        schedule = Schedule(config, len(images))
        if record.ended_at == step >= schedule.last_step:
            over = "%s is over at step %d: ask for more --epochs or --steps to go on, or choose another --out"
            logger.info(over, directory.path, step)
            return Outcome(step, schedule.epoch(step), None)
        with begun(record, config, options, resume=goes_on) as run, Stopping(run) as stopping:
            logger.info("run %s %s", run.id, run.url or "(no service: delivered later by ganwatch sync)")
            if goes_on and record.ended_at != step:
                # It was killed, or its newest checkpoint is lost: more was logged than this step knows of.
                run.rewind(step, f"went on from the checkpoint of step {step}")
            directory.write_record(replace(record, ended_at=None))
            with logging_redirect_tqdm():
                outcome = train(
                    config,
                    images,
                    run,
                    watch_with=probes if options.probes else Unwatched,
                    checkpoints=directory.checkpoints,
                    stopping=stopping,
                    device=device,
                    resume=checkpoint,
                    quiet=options.quiet,
                )
            directory.write_record(replace(record, ended_at=outcome.step))
            message = f"{outcome.stopped} at step {outcome.step}" if outcome.stopped else ""
            run.finish(message=message)
    if outcome.stopped:
        logger.info("%s; go on with: gantrain resume %s", message, directory.path)
    return outcome


def begun(record: RunRecord, config: Config, options: Options, *, resume: bool) -> monitor.Run:
    try:
        return monitor.init(
            id=record.run,
            project=record.project,
            name=record.name,
            tags=options.tags,
            config=to_dict(config),
            server=options.server,
            resume=resume,
            commands=("stop",),
        )
    except ValueError as problem:
        raise ConfigError(f"no run can begin: {problem}") from problem


def trainings() -> Path:
    """Where trainings lie that were given no folder."""
    return Path(os.environ.get("GANWATCH_DIR") or ".ganwatch") / "trainings"


def choose_device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as problem:
        raise ConfigError(f"device {name} cannot be used: {problem}") from problem
    return device
