"""One training as a run of the monitor: begin it or go on with it, train, end in order."""

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

import monitor
from trainer import data
from trainer.beginning import Assignment, Beginning, compare_with_before, find_beginning
from trainer.config import Config, to_dict
from trainer.distributed import Ranks, joined
from trainer.errors import ConfigError
from trainer.following import Follower, Nowhere
from trainer.loop import Outcome, train
from trainer.options import Options
from trainer.rescue import Asking, WayBack, decide, find_way_back
from trainer.schedule import Schedule
from trainer.speed import refuse_impossible
from trainer.stopping import Stopping, never
from trainer.training_directory import GoingBack
from trainer.watching import Unwatched, probes

logger = logging.getLogger(__name__)


def run_training(config: Config, options: Options, assignment: Assignment | None = None) -> Outcome:
    with joined(options.device) as (ranks, device), ExitStack() as held:
        leads = ranks.rank == 0
        if not leads:
            logging.getLogger("trainer").setLevel(logging.WARNING)
        if config.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be
            torch.use_deterministic_algorithms(True)
        refuse_impossible(config.speed, device)
        images = data.load(config)
        beginning = ranks.share(lambda: find_beginning(config, options, assignment, held))
        directory, step = beginning.directory, beginning.step
        if beginning.checkpoint is not None:
            compare_with_before(beginning.checkpoint, beginning.record, beginning.config, ranks)
        schedule = Schedule(beginning.config, len(images), ranks.count)
        if not beginning.is_behind and beginning.record.ended_at == step >= schedule.last_step:
            over = "%s is over at step %d: ask for more --epochs or --steps to go on, or choose another --out"
            logger.info(over, directory.path, step)
            return Outcome(step, schedule.epoch(step), None)
        asked = assignment.asked if assignment else never
        outcome = train_as_run(beginning, images, options, ranks, device=device, asked=asked)
    if outcome.stopped:
        logger.info("%s; go on with: gantrain resume %s", outcome.message, directory.path)
    elif leads:
        logger.info("finished: step %d, epoch %d, in %s", outcome.step, outcome.epoch, directory.path)
    return outcome


def train_as_run(
    beginning: Beginning,
    images: data.ImageSet,
    options: Options,
    ranks: Ranks,
    *,
    device: torch.device,
    asked: Callable[[], str | None],
) -> Outcome:
    """To its end, going back as often as the service asks for it."""
    directory, leads = beginning.directory, ranks.rank == 0

    def back(command: Asking) -> WayBack:
        # From where it is by then: it may have gone back before.
        return find_way_back(command, beginning.config, directory.checkpoints)

    with begin_run(beginning, options, ranks) as run, Stopping(run, ranks, also=asked, back=back) as stopping:
        logger.info("run %s %s", run.id, run.url or "(no service: delivered later by ganwatch sync)")
        if ranks.count > 1:
            logger.info("%d processes, each with the batch of the settings", ranks.count)
        beginning = beginning.under_way(ranks.count)
        if leads:
            directory.write_record(beginning.record)
        told = run if leads else Follower(run)
        try:
            with logging_redirect_tqdm():
                while True:
                    outcome = train(
                        beginning.config,
                        images,
                        told,
                        watch_with=probes if leads and options.probes else Unwatched,
                        checkpoints=directory.checkpoints if leads else Nowhere(),
                        stopping=stopping,
                        device=device,
                        ranks=ranks,
                        resume=beginning.checkpoint,
                        quiet=options.quiet or not leads,
                    )
                    way = stopping.take_way()
                    if way is None:
                        break
                    beginning = go_back(way, beginning, run, ranks)
        except BaseException as problem:
            if ranks.must_speak():
                # As a further process of rank 0, whose word it is.
                open_run(beginning, options, ranks, attempt=run.attempt, rank=0).finish(
                    "failed", f"rank 0 died ({problem})"
                )
            raise
        if leads:
            directory.write_record(replace(beginning.record, ended_at=outcome.step))
        run.finish(message=outcome.message)
    return outcome


def begin_run(beginning: Beginning, options: Options, ranks: Ranks) -> monitor.Run:
    """Every process writes the same run, and each goes back: the service knows that they mean the same."""
    run = open_run(beginning, options, ranks, attempt=beginning.attempt)
    if beginning.record.going_back is not None:
        tell(run, replace(beginning.record.going_back, step=beginning.step), ranks)
    elif beginning.is_behind:
        run.rewind(beginning.step, f"went on from the checkpoint of step {beginning.step}")
    return run


def go_back(way: WayBack, beginning: Beginning, run: monitor.Run, ranks: Ranks) -> Beginning:
    """On from an earlier checkpoint, after what all processes are agreed on is on the disk."""
    directory = beginning.directory
    record = ranks.share(lambda: decide(way, directory, beginning.record))
    tell(run, way.going_back, ranks)
    after = replace(beginning, record=record, config=way.config, checkpoint=way.checkpoint)
    after = after.under_way(ranks.count)
    if ranks.rank == 0:
        run.configure(to_dict(way.config))
        directory.write_record(after.record)
        logger.info("%s", way.going_back.reason)
    return after


def tell(run: monitor.Run, going_back: GoingBack, ranks: Ranks) -> None:
    """The attempt that goes another way begins."""
    run.rewind(
        going_back.step,
        going_back.reason,
        remedy=going_back.remedy,
        settings=going_back.settings,
        command=going_back.command,
    )
    if ranks.rank == 0:
        run.acknowledge(going_back.command, "done", going_back.reason)


def open_run(
    beginning: Beginning,
    options: Options,
    ranks: Ranks,
    *,
    attempt: int | None,
    rank: int | None = None,
) -> monitor.Run:
    takes_over = rank is not None
    try:
        return monitor.init(
            id=beginning.record.run,
            project=beginning.record.project,
            name=beginning.record.name,
            tags=options.tags,
            config=to_dict(beginning.config) | ({"processes": ranks.count} if ranks.count > 1 else {}),
            server=options.server,
            resume=beginning.is_known or takes_over,
            rank=ranks.rank if rank is None else rank,
            commands=("stop", "rollback"),
            on_turning_point=beginning.config.on_turning_point,
            attempt=attempt,
        )
    except ValueError as problem:
        raise ConfigError(f"no run can begin: {problem}") from problem
