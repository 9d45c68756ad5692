"""The loop on real digits with small networks: what it says to a run, and that it goes on bit for bit."""

import gc
import re
import resource
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from tests.trainer.recording import RecordingRun
from tests.trainer.states import assert_identical, last_state
from trainer import networks
from trainer.checkpoint import CheckpointDirectory
from trainer.config import Batch, Checkpoints, Config, Ema, LearningRate, Network
from trainer.critics import build as build_critic
from trainer.data import ImageSet, load
from trainer.loop import Outcome, train
from trainer.probes import Watch
from trainer.probes.judging import Moment
from trainer.randomness import Latents
from trainer.recipes import RECIPES
from trainer.stopping import Stopping
from trainer.watching import Subject, Unwatched, WatchFactory, probes

CPU = torch.device("cpu")


def config(recipe: str = "digits-gn", **changes: object) -> Config:
    base = RECIPES[recipe]()
    small = replace(base.network, z_dim=8, width_g=4, width_d=4)
    settings = {"network": small, "batch": Batch(g=16, d=16), "epochs": None, "steps": 12} | changes
    return replace(base, **settings)  # type: ignore[arg-type]


def images(n: int = 100) -> ImageSet:
    return ImageSet(load(RECIPES["digits-gn"]()).images[:n], None)


def trained(
    settings: Config,
    directory: Path,
    run: RecordingRun | None = None,
    *,
    watch_with: WatchFactory = Unwatched,
    resume: bool = False,
) -> tuple[Outcome, dict[str, Tensor]]:
    """The outcome, and every tensor of the last checkpoint by its path."""
    run = run or RecordingRun()
    checkpoints = CheckpointDirectory(directory)
    outcome = train(
        settings,
        images(),
        run,
        watch_with=watch_with,
        checkpoints=checkpoints,
        stopping=Stopping(run),
        device=CPU,
        resume=checkpoints.newest() if resume else None,
        quiet=True,
    )
    step, state = last_state(directory)
    assert step == outcome.step
    return outcome, state


VARIANTS = {
    "least squares": config("digits-lsgan"),
    "non-saturating": config("digits-nsgan"),
    "gradient normalization": config("digits-gn"),
    "five discriminator steps, unequal batches, average": config(n_dis=5, ema=Ema(decay=0.9, start=3)),
    "batch norm in the generator": replace(
        config(), network=Network(z_dim=8, width_g=4, width_d=4, norm_g="batch", init="normal")
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_goes_on_from_a_checkpoint_bit_for_bit(variant: str, tmp_path: Path) -> None:
    settings = VARIANTS[variant]
    if "unequal" in variant:
        settings = replace(settings, batch=Batch(g=24, d=16))
    _, whole = trained(settings, tmp_path / "whole")
    trained(replace(settings, steps=5), tmp_path / "parts")
    torch.rand(100)  # another process has drawn other numbers
    outcome, parts = trained(settings, tmp_path / "parts", resume=True)
    assert outcome.step == 12
    assert_identical(parts, whole)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_are_bit_identical_with_probes_on_and_off(variant: str, tmp_path: Path) -> None:
    settings = replace(VARIANTS[variant], steps=52)  # beyond the first measurement of gradient norms
    _, unwatched = trained(settings, tmp_path / "off")
    run = RecordingRun()
    _, watched = trained(settings, tmp_path / "on", run, watch_with=probes)
    assert_identical(watched, unwatched)
    assert {"angle/iter/g", "gradient_norm/real/p50", "quality/digits-classifier"} <= {
        name for name, *_ in run.points
    }


def test_images_without_classes_are_judged_by_bins(tmp_path: Path) -> None:
    base = RECIPES["dcgan64-gn"]()
    small = Network(architecture="dcgan", z_dim=8, width_g=2, width_d=2)
    settings = replace(base, size=16, network=small, batch=Batch(g=8, d=8), epochs=2)
    pictures = torch.randint(
        256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    states = []
    for place, watch_with in (("off", Unwatched), ("on", probes)):
        run = RecordingRun()
        train(
            settings,
            ImageSet(pictures, None),
            run,
            watch_with=watch_with,
            checkpoints=CheckpointDirectory(tmp_path / place),
            stopping=Stopping(run),
            device=CPU,
            quiet=True,
        )
        states.append(last_state(tmp_path / place)[1])
    assert_identical(*states)
    assert [name for name, _ in run.images] == ["samples", "modes/kmeans"] * 2
    judged = {name for name, *_ in run.points if name.startswith(("quality", "diversity"))}
    assert {"diversity/kmeans", "diversity_real/kmeans"} <= judged
    assert not any(name.startswith("quality") for name in judged)


def test_a_watched_training_that_goes_on_logs_what_the_uninterrupted_one_logs(tmp_path: Path) -> None:
    settings = config(checkpoints=Checkpoints(every=1))
    whole, first, second = RecordingRun(), RecordingRun(), RecordingRun()
    trained(settings, tmp_path / "whole", whole, watch_with=probes)
    trained(replace(settings, steps=8), tmp_path / "parts", first, watch_with=probes)
    trained(settings, tmp_path / "parts", second, watch_with=probes, resume=True)

    def said(*runs: RecordingRun) -> list[tuple[str, int, float]]:
        return [(name, step, value) for run in runs for name, step, _, value in run.points if name in angles]

    angles = {"angle/iter/g", "angle/iter/d", "angle/epoch/g", "angle/epoch/d", "loss/g", "loss/d"}
    assert said(first, second) == said(whole)


def test_the_latents_that_are_judged_are_none_that_were_trained_with(tmp_path: Path) -> None:
    settings = config()
    trained_with = Latents(settings.network.z_dim, settings.seed, CPU).draw(64)
    G, D = networks.build(settings)
    subject = Subject(settings, G, D, G, build_critic(settings.critic, D), images())
    watch = probes(RecordingRun(), subject)
    assert isinstance(watch, Watch)
    assert watch.evaluator is not None
    judged: list[Tensor] = []
    G.register_forward_pre_hook(lambda _, inputs: judged.append(inputs[0]))
    watch.evaluator.look(Moment(1, 0))
    assert not torch.equal(judged[0], trained_with)


def test_two_trainings_of_one_seed_are_one_and_another_seed_is_another(tmp_path: Path) -> None:
    settings = config(steps=3)
    _, first = trained(settings, tmp_path / "1")
    torch.rand(7)
    _, second = trained(settings, tmp_path / "2")
    assert_identical(first, second)
    _, other = trained(replace(settings, seed=1), tmp_path / "3")
    assert not torch.equal(first["/G/project.weight"], other["/G/project.weight"])


def test_training_leaves_the_process_generators_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    trained(config(), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_step_is_logged_and_every_epoch_marked(tmp_path: Path) -> None:
    run = RecordingRun()
    outcome, _ = trained(config(steps=20), tmp_path, run)
    assert [step for step, _ in run.series("loss/d")] == list(range(1, 21))
    assert [step for step, _ in run.series("score/fake")] == list(range(1, 21))
    # 100 images, 16 a step: the first steps by which 100, 200, 300 images were seen.
    assert [mark["step"] for mark in run.marks] == [7, 13, 19]
    assert [mark["epoch"] for mark in run.marks] == [1, 2, 3]
    assert [mark["images_seen"] for mark in run.marks] == [112, 208, 304]
    rate = config().lr.d
    assert run.series("learning_rate/d") == [(7, rate), (13, rate), (19, rate)]
    assert run.series("score/undefined") == [(7, 0), (13, 0), (19, 0)]
    assert (outcome.step, outcome.epoch, outcome.stopped) == (20, 3, None)
    assert {name for name, *_ in run.points} <= run.declared.keys()


def test_epochs_and_steps_both_end_training_whichever_comes_first(tmp_path: Path) -> None:
    assert trained(config(steps=20), tmp_path / "a")[0].step == 20
    assert trained(replace(config(), epochs=1, steps=20), tmp_path / "b")[0].step == 7
    assert trained(replace(config(), epochs=3, steps=20), tmp_path / "c")[0].step == 19


def test_a_stop_command_writes_a_checkpoint_and_is_acknowledged(tmp_path: Path) -> None:
    class StoppedAtFive(RecordingRun):
        def commands(self) -> list[SimpleNamespace]:
            at = self.series("loss/g")
            return [SimpleNamespace(id="c1", kind="stop", parameters={})] if at and at[-1][0] == 5 else []

    run = StoppedAtFive()
    outcome, parts = trained(config(), tmp_path / "parts", run)
    assert (outcome.step, outcome.stopped) == (5, "stopped by command")
    assert run.acknowledged == [("c1", "done")]
    _, whole = trained(config(steps=5), tmp_path / "whole")
    assert_identical(parts, whole)


def test_checkpoints_come_at_the_epochs_asked_for_and_at_the_end(tmp_path: Path) -> None:
    settings = config(steps=40, checkpoints=Checkpoints(every=2, keep=9))
    trained(settings, tmp_path)
    steps = [int(path.name[5:14]) for path in CheckpointDirectory(tmp_path).newest_first()]
    assert steps == [40, 38, 25, 13]


def test_a_disk_that_is_full_in_the_middle_costs_a_checkpoint_and_not_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class FullForAWhile(CheckpointDirectory):
        calls = 0

        def save(self, *args: object) -> Path:
            self.calls += 1
            if self.calls > 1:
                return super().save(*args)  # type: ignore[arg-type]
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            try:
                return super().save(*args)  # type: ignore[arg-type]
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    run = RecordingRun()
    checkpoints = FullForAWhile(tmp_path)
    settings = config(checkpoints=Checkpoints(every=1))
    outcome = train(
        settings,
        images(),
        run,
        watch_with=Unwatched,
        checkpoints=checkpoints,
        stopping=Stopping(run),
        device=CPU,
        quiet=True,
    )
    gc.collect()
    assert outcome.step == 12
    assert re.search(r"no checkpoint of step 7 in .*: File too large; make room there", caplog.text)
    assert [int(path.name[5:14]) for path in checkpoints.newest_first()] == [12]


def test_another_learning_rate_can_be_taken_into_a_resumed_training(tmp_path: Path) -> None:
    run = RecordingRun()
    trained(config(steps=6), tmp_path)
    trained(replace(config(steps=8), lr=LearningRate(g=1e-3, d=1e-3)), tmp_path, run, resume=True)
    assert run.series("learning_rate/g") == [(7, 1e-3)]
