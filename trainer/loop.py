"""The training loop: one function, to be read from top to bottom.

``step`` counts generator updates. What varies comes in as an object: networks, critic, loss, data, watch. All
randomness has a state, so a checkpoint continues bit for bit; a watch changes nothing, so the weights do not
depend on it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from trainer import networks
from trainer.batches import Labelled
from trainer.checkpoint import Checkpoint, Keeps, Stateful
from trainer.config import Config
from trainer.critics import build as build_critic
from trainer.data import ImageSet, Shuffled
from trainer.declarations import declare_training
from trainer.distributed import ALONE, Ranks
from trainer.ema import MovingAverage
from trainer.errors import UnsavedError
from trainer.objective import Objective, accumulated
from trainer.optimizer import ResumableAdam
from trainer.randomness import Latents, ProcessGenerators, seed_of_draws, seeded
from trainer.schedule import Schedule
from trainer.speed import Calls
from trainer.stopping import Stopping
from trainer.watching import Evaluation, Run, Subject, WatchFactory

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    step: int
    epoch: int
    #: Why training ended before its budget; None if it did not.
    stopped: str | None

    @property
    def message(self) -> str:
        return f"{self.stopped} at step {self.step}" if self.stopped else ""


def train(  # noqa: PLR0915  one loop, to be read in one piece
    config: Config,
    images: ImageSet,
    run: Run,
    *,
    watch_with: WatchFactory,
    checkpoints: Keeps,
    stopping: Stopping,
    device: torch.device,
    ranks: Ranks = ALONE,
    resume: Checkpoint | None = None,
    quiet: bool = False,
) -> Outcome:
    # What is trained, and what it is trained with.
    calls = Calls(config.speed, device)
    with seeded(config.seed):
        G, D = (ranks.prepare(calls.place(network)) for network in networks.build(config))
    generate = calls.generator(G)
    critic = build_critic(config.critic, D)
    share: dict[str, int] = {"rank": ranks.rank, "ranks": ranks.count}
    objective = Objective(config, calls.critic(critic), device, **share)
    optimizer_G = ResumableAdam(G, config.lr.g, config.adam)
    optimizer_D = ResumableAdam(D, config.lr.d, config.adam, clip=config.clip)
    average = MovingAverage(G, config.ema)
    classes = config.network.classes
    seed = seed_of_draws(config)
    latents = Latents(config.network.z_dim, seed, device, classes=classes, **share)
    labels = images.labels_for(classes)
    data = Shuffled(images.images, config.batch.d, seed, device, labels=labels, mirror=config.mirror, **share)
    schedule = Schedule(config, len(images), ranks.count)

    # Who watches.
    declare_training(run, config)
    watch = watch_with(run, Subject(config, G, D, average.G, critic, images))

    # All that has a state; a checkpoint is the states of these.
    parts: dict[str, Stateful] = {
        "G": G,
        "D": D,
        "G_ema": average.G,
        "critic": critic,
        "objective": objective,
        "optimizer_G": optimizer_G,
        "optimizer_D": optimizer_D,
        "latents": latents,
        "data": data,
        "process": ProcessGenerators(),
        "watch": watch,
    }
    step = 0
    if resume is not None:
        resume.restore(parts)
        step = resume.step
    ranks.begin_equal(G, D, average.G)
    saved_at = step
    n = config.batch.accumulate

    progress = tqdm(total=schedule.last_step, initial=step, desc=config.recipe, unit="step", disable=quiet)
    while step < schedule.last_step and not stopping.asked():
        rate_G, rate_D = (optimizer.set_rate(schedule.rate(step)) for optimizer in (optimizer_G, optimizer_D))
        numbers: dict[str, Tensor] = {}
        calls.begin_step()

        # The discriminator: n_dis steps, each on new real images and new latents.
        for turn in range(config.n_dis):
            real = Labelled(*data.draw_labelled())
            z, y = latents.draw_labelled(config.batch.d)
            with torch.no_grad():
                fake = Labelled(generate(z, y), y)
            batch = objective.prepared(real, fake, step=step, turn=turn)
            optimizer_D.zero_grad()
            numbers |= accumulated((objective.discriminator(part) for part in batch.parts(n)), n)
            ranks.average_gradients(D)
            optimizer_D.step()

        # The generator: one step through the critic, whose own weights need no gradient now.
        D.requires_grad_(False)
        generated = (
            Labelled(generate(z, y), y) for z, y in Labelled(*latents.draw_labelled(config.batch.g)).parts(n)
        )
        optimizer_G.zero_grad()
        numbers |= accumulated((objective.generator(fakes, real, step=step) for fakes in generated), n)
        ranks.average_gradients(G)
        optimizer_G.step()
        D.requires_grad_(True)

        step += 1
        average.update(G, step)
        run.log(ranks.mean(numbers), step=step)
        watch.step(real=real.inputs, fake=fake.inputs, step=step)
        progress.update()

        if schedule.ends_epoch(step):
            epoch = schedule.epoch(step)
            evaluation = watch.epoch(epoch=epoch, images_seen=schedule.images_seen(step), step=step)
            rates = {"learning_rate/g": rate_G, "learning_rate/d": rate_D}
            run.log(rates | critic.numbers(), step=step, mark=evaluation.mark)
            progress.set_postfix(in_short(epoch, evaluation))
            if schedule.saves(step) and save(checkpoints, step, config, parts, schedule):
                saved_at = step
    progress.close()

    # The last one, which nothing stands in for; but what it goes back from is not worth one.
    if saved_at != step and stopping.way is None:
        checkpoints.save(step, config, parts, schedule)
    watch.finish()
    return Outcome(step, schedule.epoch(step), stopping.reason)


def in_short(epoch: int, evaluation: Evaluation) -> dict[str, object]:
    """What the progress bar shows of an evaluation: Q and D, where they were measured."""
    judged = {name.split("/")[0]: value for name, value in evaluation.values.items()}
    shown = {"Q": judged.get("quality"), "D": judged.get("diversity")}
    return {"epoch": epoch} | {
        name: f"{float(value):.2f}" for name, value in shown.items() if value is not None
    }


def save(
    checkpoints: Keeps, step: int, config: Config, parts: Mapping[str, Stateful], schedule: Schedule
) -> bool:
    """Write a checkpoint; whether it was. A disk that is full costs a checkpoint, and not the training."""
    try:
        checkpoints.save(step, config, parts, schedule)
    except UnsavedError as problem:
        logger.warning("%s", problem)
        return False
    return True
