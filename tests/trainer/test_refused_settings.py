"""What cannot be trained is refused before training starts, with the setting, its value and the reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.config import (
    Adam,
    Batch,
    Checkpoints,
    Config,
    Consistency,
    Critic,
    Ema,
    LearningRate,
    Network,
    Penalty,
    SampleDifferences,
)
from trainer.errors import ConfigError


def config(**changes: Any) -> Config:
    return replace(Config(recipe="faces", dataset="images", size=64, channels=3, epochs=1), **changes)


ONE_SETTING = [
    (lambda: LearningRate(g=0.0), "lr.g = 0.0 must lie between 0 and 10"),
    (lambda: LearningRate(d=float("nan")), "lr.d = nan must lie between 0 and 10"),
    (lambda: Adam(betas=(0.5, 1.0)), "adam.betas = (0.5, 1.0) must lie in [0, 1)"),
    (lambda: Adam(eps=0.0), "adam.eps = 0.0 must lie between 0 and 1"),
    (lambda: Adam(eps=float("inf")), "adam.eps = inf must lie between 0 and 1"),
    (lambda: Batch(d=0), "batch.d = 0 must be positive"),
    (lambda: Batch(g=0), "batch.g = 0 must be positive"),
    (lambda: Batch(accumulate=0), "batch.accumulate = 0 must be positive"),
    (lambda: Ema(decay=1.0), "ema.decay = 1.0 must lie in [0, 1)"),
    (lambda: Ema(start=-1), "ema.start = -1 must not be negative"),
    (lambda: Checkpoints(every=0), "checkpoints.every = 0 epochs must be positive"),
    (lambda: Checkpoints(keep=0), "checkpoints.keep = 0 must be positive"),
    (lambda: Network(z_dim=0), "network.z-dim = 0 must be positive"),
    (lambda: Network(width_g=0), "network.width-g = 0 must be positive"),
    (lambda: Network(width_d=0), "network.width-d = 0 must be positive"),
    (lambda: Network(slope=1.0), "network.slope = 1.0 must lie in [0, 1)"),
    (lambda: Network(beta=0.0), "network.beta = 0.0 must lie between 0 and 1e6"),
    (lambda: Critic(kind="gran", tau=0.0), "critic.tau = 0.0 must lie between 0 and 1e6"),
    (lambda: Critic(kind="gran", epsilon=-1.0), "critic.epsilon = -1.0 must lie in [0, 1)"),
    (lambda: Critic(kind="sn", power_iterations=0), "critic.power-iterations = 0 must be positive"),
    (lambda: Penalty(weight=0.0), "penalty.weight = 0.0 must lie between 0 and 1e6"),
    (lambda: Penalty(kind="dragan", scale=-1.0), "penalty.scale = -1.0 must lie between 0 and 1000"),
    (lambda: Penalty(kind="gp", target=0.0), "penalty.target = 0.0 must lie between 0 and 1e6"),
    (lambda: Penalty(every=0), "penalty.every = 0 must be positive"),
    (lambda: Consistency(weight=-1.0), "consistency.weight = -1.0 must lie in [0, 1e6)"),
    (lambda: Consistency(shift=1.0), "consistency.shift = 1.0 must lie in [0, 1)"),
    (lambda: Consistency(flip=1.5), "consistency.flip = 1.5 must lie in [0, 1]"),
    (lambda: SampleDifferences(weight=-0.1), "sample-differences.weight = -0.1 must lie in [0, 1e6)"),
    (lambda: SampleDifferences(start=-1), "sample-differences.start = -1 must not be negative"),
    (lambda: SampleDifferences(k=0), "sample-differences.k = 0 must be positive"),
    (lambda: SampleDifferences(grow_every=0), "sample-differences.grow-every = 0 must be positive"),
    (lambda: config(recipe=""), "recipe must have a name"),
    (lambda: config(epochs=0), "epochs = 0 must be positive"),
    (lambda: config(steps=-1), "steps = -1 must be positive"),
    (lambda: config(seed=-1), "seed = -1 must lie between 0 and 2^63 - 1"),
    (lambda: config(seed=2**63), "seed = 9223372036854775808 must lie between 0 and 2^63 - 1"),
    (lambda: config(n_dis=0), "n-dis = 0 must be positive"),
    (lambda: config(size=4), "size = 4 must be at least 8 pixels"),
    (lambda: config(clip=-0.1), "clip = -0.1 must lie in [0, 1000)"),
]

COMBINATIONS = [
    (lambda: config(epochs=None), "set epochs or steps: when does training end?"),
    (
        lambda: config(size=40, network=Network(architecture="dcgan")),
        "size = 40: dcgan networks need a multiple of 16",
    ),
    (
        lambda: Config(recipe="digits", data=Path("faces"), epochs=1),
        "data = faces: the digits are built in; add --dataset images to train on it",
    ),
    (
        lambda: Config(recipe="digits", channels=3, epochs=1),
        "channels = 3: the digits are grey, set channels to 1",
    ),
    (
        lambda: Config(recipe="digits", size=16, epochs=1),
        "size = 16: the digits are 8 pixels wide, set size to 8",
    ),
    *(
        (
            lambda kind=kind: config(critic=Critic(kind=kind), network=Network(norm_d="batch")),
            f"critic.kind = {kind} takes the gradient of every sample, and batch norm in the discriminator "
            "mixes samples: set network.norm-d to none",
        )
        for kind in ("gn", "gn0", "gn1", "pgn", "pgn-code", "gran")
    ),
    (
        lambda: config(penalty=Penalty(kind="gp"), network=Network(norm_d="batch")),
        "penalty.kind = gp takes the gradient of every sample, and batch norm in the discriminator mixes "
        "samples: set network.norm-d to none",
    ),
    (
        lambda: config(clip=0.01, loss="wasserstein", critic=Critic(kind="sn")),
        "clip = 0.01: spectral normalization divides the weights by their norm, which undoes clipping: set "
        "clip to 0 or critic.kind to raw",
    ),
    (
        lambda: config(clip=0.01),
        "clip = 0.01: weights are clipped for the Wasserstein loss only, set loss to wasserstein or clip "
        "to 0",
    ),
    (
        lambda: Critic(kind="gn", tau=1.2),
        "critic.tau = 1.2: only the critics gran and sn have one, leave it at 1",
    ),
    (
        lambda: Critic(kind="sn", epsilon=0.1),
        "critic.epsilon = 0.1: only the critic gran has one, leave it at 1e-08",
    ),
    (
        lambda: Critic(kind="gran", power_iterations=2),
        "critic.power-iterations = 2: only the critic sn has any, leave it at 1",
    ),
    (
        lambda: Penalty(kind="r1", target=0.83),
        "penalty.target = 0.83: only dragan, gp, lp pull the norm of the gradient to a target, leave it at 1",
    ),
    (
        lambda: Penalty(kind="gp", noise="uniform"),
        "penalty.noise = uniform: only perturbed points have noise, leave it at gaussian or set "
        "penalty.at to perturbed",
    ),
    (
        lambda: Penalty(kind="dragan", at="real", scale=0.1),
        "penalty.scale = 0.1: only perturbed points have noise, leave it at 0.5 or set penalty.at to "
        "perturbed",
    ),
    (
        lambda: Consistency(weight=5.0, shift=0.0, flip=0.0),
        "consistency.weight = 5.0 compares an image with itself while consistency.shift and consistency.flip "
        "are 0: set one of them, or the weight to 0",
    ),
    (
        lambda: config(sample_differences=SampleDifferences(weight=0.01), batch=Batch(accumulate=2)),
        "batch.accumulate = 2: sample differences choose the best of the whole batch, set it to 1",
    ),
    (
        lambda: Batch(g=128, d=50, accumulate=4),
        "batch.accumulate = 4 must divide batch.d = 50 into equal parts",
    ),
    (
        lambda: Network(architecture="biggan"),
        "network.classes = 0: biggan networks are conditional, set it to the number of classes of the data",
    ),
    (
        lambda: Network(architecture="resnet", classes=10),
        "network.classes = 10: resnet networks take no labels, set it to 0 or choose one of biggan",
    ),
    (
        lambda: config(dataset="celeba", network=Network(architecture="biggan", classes=10)),
        "network.classes = 10: celeba has no labels, choose an architecture without",
    ),
    (
        lambda: config(dataset="cifar100", network=Network(architecture="biggan", classes=10)),
        "network.classes = 10: cifar100 has 100, set it to that",
    ),
]


@pytest.mark.parametrize(("make", "message"), ONE_SETTING, ids=[message for _, message in ONE_SETTING])
def test_a_setting_out_of_bounds_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert str(refused.value) == message


@pytest.mark.parametrize(("make", "message"), COMBINATIONS, ids=[message for _, message in COMBINATIONS])
def test_what_makes_no_sense_together_is_refused_with_the_reason(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert str(refused.value) == message


def test_what_does_make_sense_is_not_refused() -> None:
    Critic(kind="sn", tau=1 / 0.83)
    config(loss="wasserstein", clip=0.01, network=Network(norm_d="batch"))
    config(critic=Critic(kind="sn"), network=Network(norm_d="batch"))
    config(penalty=Penalty(kind="gp", at="perturbed", noise="uniform"))
    config(dataset="cifar10", network=Network(architecture="biggan", classes=10))
    config(consistency=Consistency(weight=5.0, shift=0.0))
    config(sample_differences=SampleDifferences(weight=0.01), network=Network(norm_d="batch"))
