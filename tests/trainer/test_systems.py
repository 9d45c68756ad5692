"""The papers' systems in the loop, on small networks: they go on bit for bit, and say what they add."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainer.recording import RecordingRun
from tests.trainer.states import assert_identical, last_state
from trainer.checkpoint import CheckpointDirectory
from trainer.config import (
    Batch,
    Config,
    Consistency,
    Critic,
    CriticName,
    Ema,
    LearningRate,
    Network,
    Penalty,
    SampleDifferences,
)
from trainer.data import ImageSet
from trainer.errors import DataError
from trainer.loop import train
from trainer.stopping import Stopping
from trainer.watching import Unwatched, WatchFactory, probes

SMALL = Network(z_dim=4, width_g=2, width_d=2, init="torch")


def config(**changes: Any) -> Config:
    base = Config(
        recipe="system", dataset="images", channels=1, network=SMALL, batch=Batch(g=8, d=8), steps=12
    )
    return replace(base, **changes)


#: Between them, every option of a step is on at once.
SYSTEMS = {
    "gn with everything": config(
        mirror=True,
        critic=Critic(kind="gn"),
        loss="hinge",
        penalty=Penalty(kind="gp", every=3),
        consistency=Consistency(weight=5.0),
        sample_differences=SampleDifferences(weight=0.01, start=3, k=2, grow_every=4),
        lr=LearningRate(g=1e-3, d=2e-3, decay="linear"),
        batch=Batch(g=16, d=8),
        n_dis=2,
        ema=Ema(decay=0.9, start=2),
    ),
    "sn, tuned": config(
        critic=Critic(kind="sn", tau=1.2),
        loss="ls",
        consistency=Consistency(weight=1.0),
        sample_differences=SampleDifferences(weight=0.01, start=0, normalize="norm"),
        n_dis=2,
    ),
    "clipped, in parts": config(
        loss="wasserstein",
        clip=0.02,
        penalty=Penalty(kind="dragan", noise="uniform"),
        consistency=Consistency(weight=1.0),
        lr=LearningRate(decay="linear"),
        batch=Batch(g=12, d=8, accumulate=4),
    ),
    "gran with r1": config(
        critic=Critic(kind="gran", tau=1.2), loss="soft-hinge", penalty=Penalty(kind="r1", every=2, at="both")
    ),
    "pgn as published": config(
        critic=Critic(kind="pgn-code"), loss="ns", penalty=Penalty(kind="lp", at="fake")
    ),
    "conditional": config(
        size=16,
        network=Network(
            architecture="biggan", z_dim=4, width_g=2, width_d=2, activation_d="relu", pool_d="sum", classes=3
        ),
        critic=Critic(kind="gn"),
        loss="hinge",
        penalty=Penalty(kind="gp"),
        consistency=Consistency(weight=5.0),
        sample_differences=SampleDifferences(weight=0.01, start=3),
        steps=8,
    ),
}


def images(settings: Config, n: int = 40) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    shape = (n, settings.channels, settings.size, settings.size)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return ImageSet(pixels, torch.arange(n) % 3)


def trained(
    settings: Config,
    directory: Path,
    run: RecordingRun | None = None,
    *,
    watch_with: WatchFactory = Unwatched,
    resume: bool = False,
    data: ImageSet | None = None,
) -> dict[str, Tensor]:
    """Every tensor of the last checkpoint by its path."""
    run = run or RecordingRun()
    checkpoints = CheckpointDirectory(directory)
    train(
        settings,
        data or images(settings),
        run,
        watch_with=watch_with,
        checkpoints=checkpoints,
        stopping=Stopping(run),
        device=torch.device("cpu"),
        resume=checkpoints.newest() if resume else None,
        quiet=True,
    )
    return last_state(directory)[1]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_goes_on_from_a_checkpoint_bit_for_bit_with_every_option_on(
    system: str, tmp_path: Path
) -> None:
    settings = SYSTEMS[system]

    class StoppedAtFive(RecordingRun):
        """Not a shorter training: with learning rates that fall to 0, that would be another."""

        def commands(self) -> list[Any]:
            at = self.series("loss/g")
            return [SimpleNamespace(id="c1", kind="stop", parameters={})] if at and at[-1][0] == 5 else []

    whole = trained(settings, tmp_path / "whole")
    trained(settings, tmp_path / "parts", StoppedAtFive())
    assert last_state(tmp_path / "parts")[0] == 5
    torch.rand(100)  # another process has drawn other numbers
    assert_identical(trained(settings, tmp_path / "parts", resume=True), whole)
    assert all(tensor.isfinite().all() for tensor in whole.values() if tensor.is_floating_point())


def test_everything_that_is_added_is_declared_and_logged(tmp_path: Path) -> None:
    run = RecordingRun()
    trained(SYSTEMS["gn with everything"], tmp_path, run)
    logged = {name for name, *_ in run.points}
    assert {"penalty/gp", "consistency", "sdp/d", "sdp/g"} <= logged <= run.declared.keys()
    assert all(run.declared[name]["help"] for name in logged)
    every = list(range(1, 13))
    assert [step for step, _ in run.series("consistency")] == every
    assert [step for step, _ in run.series("sdp/d")] == [step for step, _ in run.series("sdp/g")] == every[3:]
    # At discriminator steps 0, 3, 6, ... of 24, two a generator step.
    assert [step for step, _ in run.series("penalty/gp")] == [1, 2, 4, 5, 7, 8, 10, 11]


def test_what_is_not_added_is_neither_declared_nor_logged(tmp_path: Path) -> None:
    run = RecordingRun()
    trained(config(steps=2), tmp_path, run)
    assert not {"penalty/none", "consistency", "sdp/d", "sdp/g"} & (
        run.declared.keys() | {name for name, *_ in run.points}
    )


@pytest.mark.parametrize(("kind", "counts"), [("raw", False), ("sn", False), ("gn", True), ("gran", True)])
def test_samples_without_a_score_are_counted_where_there_can_be_any(
    kind: CriticName, counts: bool, tmp_path: Path
) -> None:
    run = RecordingRun()
    trained(config(critic=Critic(kind=kind), steps=5), tmp_path, run)
    assert ("score/undefined" in run.declared) == bool(run.series("score/undefined")) == counts


def test_learning_rates_that_fall_are_logged_as_they_are(tmp_path: Path) -> None:
    run = RecordingRun()
    trained(config(lr=LearningRate(g=1e-3, d=2e-3, decay="linear"), steps=20), tmp_path, run)
    # 40 images, 8 a step: epochs end at steps 5, 10, ...; the step before had seen one less.
    expected = [(step, 1e-3 * (1 - (step - 1) / 20)) for step in (5, 10, 15, 20)]
    assert run.series("learning_rate/g") == [(step, pytest.approx(rate)) for step, rate in expected]
    assert run.series("learning_rate/d") == [(step, pytest.approx(2 * rate)) for step, rate in expected]


def test_clipped_weights_are_within_their_bounds_and_others_are_not(tmp_path: Path) -> None:
    for settings, place in (
        (SYSTEMS["clipped, in parts"], "clipped"),
        (replace(SYSTEMS["clipped, in parts"], clip=0.0), "free"),
    ):
        state = trained(settings, tmp_path / place)
        largest = max(tensor.abs().max() for name, tensor in state.items() if name.startswith("/D/"))
        assert (largest <= 0.02) == (place == "clipped")


def test_a_batch_in_parts_trains_as_the_whole_batch_does_up_to_rounding(tmp_path: Path) -> None:
    network = replace(SMALL, norm_g="none")  # batch norm would normalize each part by itself
    settings = config(network=network, penalty=Penalty(kind="gp"), consistency=Consistency(weight=1.0))
    whole = trained(settings, tmp_path / "whole")
    in_parts = trained(replace(settings, batch=Batch(g=8, d=8, accumulate=4)), tmp_path / "parts")
    weights = [name for name in whole if name.startswith(("/G/", "/D/"))]
    assert all(torch.allclose(in_parts[name], whole[name], rtol=1e-3, atol=1e-5) for name in weights)
    assert not all(torch.equal(in_parts[name], whole[name]) for name in weights)


@pytest.mark.parametrize("system", ["gn with everything", "conditional"])
def test_a_watched_system_trains_as_an_unwatched_one(system: str, tmp_path: Path) -> None:
    settings = SYSTEMS[system]
    unwatched = trained(settings, tmp_path / "off")
    assert_identical(trained(settings, tmp_path / "on", watch_with=probes), unwatched)


def test_those_who_watch_get_the_classes_of_a_conditional_systems_images(tmp_path: Path) -> None:
    class Looking(Unwatched):
        def step(self, *, real: tuple[Tensor, ...], fake: tuple[Tensor, ...], step: int) -> None:
            del step
            shapes.append([tuple(tensor.shape) for tensor in (*real, *fake)])

    shapes: list[list[tuple[int, ...]]] = []
    trained(replace(SYSTEMS["conditional"], steps=1), tmp_path / "with", watch_with=Looking)
    n = SYSTEMS["conditional"].batch.d
    assert [shape[0] for shape in shapes[0]] == [n] * 4
    assert [len(shape) for shape in shapes[0]] == [4, 1, 4, 1]


def test_a_watched_system_says_where_its_scores_saturate_and_what_its_generators_loss_asks(
    tmp_path: Path,
) -> None:
    run = RecordingRun()
    settings = config(critic=Critic(kind="pgn-code"), steps=1)
    trained(settings, tmp_path, run, watch_with=probes)
    declared = run.declared.keys()
    assert {
        "saturated/real",
        "gradient_norm_loss/fake",
        "gradient_rms/fake",
        "lipschitz/constant",
    } <= declared
    assert {"finite_difference/real/0.01", "lipschitz/prefix/1"} <= declared


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_an_averaged_generator_has_angles_where_there_is_one(decay: float, tmp_path: Path) -> None:
    run = RecordingRun()
    trained(config(ema=Ema(decay=decay), steps=7), tmp_path, run, watch_with=probes)
    assert bool(run.series("angle/epoch/g_ema")) is bool(decay)
    assert run.series("angle/epoch/g")
    assert run.images, "sampled either way"


def test_networks_with_classes_need_data_with_as_many(tmp_path: Path) -> None:
    settings = SYSTEMS["conditional"]
    unlabelled = replace(images(settings), labels=None)
    with pytest.raises(DataError, match=r"network\.classes = 3, and .* has no labels"):
        trained(settings, tmp_path, data=unlabelled)
    more = replace(images(settings), labels=torch.arange(40))
    with pytest.raises(DataError, match=r"network\.classes = 3, and the labels of .* go from 0 to 39"):
        trained(settings, tmp_path, data=more)
