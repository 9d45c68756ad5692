"""Every recipe is what its row says, and trains: thin and in small batches, on random images of its size."""

import re
from dataclasses import replace
from fnmatch import fnmatch
from functools import reduce
from pathlib import Path
from typing import Any, Final

import pytest
import torch

from tests.trainer.recipe_table import PRINTED, ROWS
from tests.trainer.recording import RecordingRun
from tests.trainer.states import assert_identical, last_state
from trainer.checkpoint import CheckpointDirectory, read
from trainer.config import Batch, Checkpoints, Config, from_dict, to_dict
from trainer.data import ImageSet
from trainer.loop import train
from trainer.recipes import PAPERS, RECIPES, Paper
from trainer.stopping import Stopping
from trainer.watching import Unwatched

#: Trained in every run of the tests: each critic, loss, penalty, architecture and addition at least once.
REPRESENTATIVE: Final = [
    "gn-cifar10-resnet-cr",
    "pgn-stl10-cnn",
    "pgn-code-cifar10-cnn-cr",
    "gn-cifar10-biggan",
    "grand-stl10",
    "granc-cifar10",
    "gran-baseline-wgan-gp-cifar10-k",
    "gran-baseline-ns-sn-cifar10-k",
    "sdp-cifar10-lsgan",
    "sdp-cifar10-wgan-gp-no-norm",
    "sdp-cifar10-autogan",
    "sqd-celeba-ns-dragan",
    "sqd-celeba-ns-0gp",
    "sqd-celeba-ns-lp",
    "dcgan64-nsgan",
]


def documentation(name: str) -> str:
    return RECIPES[name].__doc__ or ""


def setting(config: Config, name: str) -> Any:
    return reduce(getattr, name.split("."), config)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.title)
def test_a_recipe_says_what_it_is_where_it_comes_from_and_what_it_is_held_against(paper: Paper) -> None:
    for name in paper.recipes:
        summary, blank, *rest = documentation(name).split("\n")
        assert summary.endswith("."), name
        assert blank == "", name
        assert re.search(r"\b[PCO]\b", "\n".join(rest)), name
        if paper not in PAPERS[:2]:
            assert "\nHeld against: " in documentation(name), name


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.title)
def test_a_recipe_is_stored_under_its_own_name(paper: Paper) -> None:
    for name, recipe in paper.recipes.items():
        config = recipe()
        assert config.recipe == name
        assert from_dict(to_dict(config)) == config


@pytest.mark.parametrize(("names", "settings"), ROWS, ids=[names for names, _ in ROWS])
def test_a_row_of_the_papers_is_what_its_recipes_train(names: str, settings: dict[str, Any]) -> None:
    meant = [name for name in RECIPES if any(fnmatch(name, pattern) for pattern in names.split())]
    assert meant
    for name in meant:
        config = RECIPES[name]()
        assert {key: setting(config, key) for key in settings} == settings, name


@pytest.mark.parametrize(("name", "figure"), PRINTED.items())
def test_a_recipe_is_held_against_what_its_paper_prints(name: str, figure: str) -> None:
    assert f"Held against: {figure}" in " ".join(documentation(name).split())


def test_pgns_printed_figures_are_said_to_be_those_of_its_code() -> None:
    for name in (name for name in RECIPES if name.startswith("pgn-c") and "pgn-code" not in name):
        assert re.search("which pgn-code made|no figure is at hand", " ".join(documentation(name).split()))


def test_gns_and_pgns_recipes_differ_in_the_critic_alone() -> None:
    of_gn = {name.removeprefix("gn-"): RECIPES[name]() for name in PAPERS[2].recipes}
    for kind in ("pgn", "pgn-code"):
        for name, config in of_gn.items():
            if name != "church256":
                other = RECIPES[f"{kind}-{name}"]()
                assert replace(other, recipe=config.recipe, critic=config.critic) == config


def shrunk(config: Config) -> Config:
    """The same training, thin, with small batches and few discriminator steps, one step an epoch. What waits
    for a step does not.
    """
    width = 2 if config.size < 128 else 1
    # In thin layers images fade under weights of N(0, 0.02).
    init = "kaiming" if config.network.init == "normal" else config.network.init
    return replace(
        config,
        network=replace(config.network, z_dim=4, width_g=width, width_d=width, init=init),
        batch=Batch(g=6, d=4),
        n_dis=min(config.n_dis, 2),
        sample_differences=replace(config.sample_differences, start=0, k=2),
        ema=replace(config.ema, start=0),
        epochs=None,
        steps=3,
        checkpoints=Checkpoints(every=1, keep=9),
    )


def random_images(config: Config) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    n, classes = config.batch.d * config.n_dis, max(config.network.classes, 1)
    shape = (n, config.channels, config.size, config.size)
    return ImageSet(
        torch.randint(256, shape, dtype=torch.uint8, generator=generator),
        torch.randint(classes, (n,), generator=generator),
    )


def trains_and_goes_on(name: str, directory: Path) -> None:
    """Three steps; and the third again from the checkpoint of the second, to the same end bit for bit."""
    config = shrunk(RECIPES[name]())
    run = RecordingRun()
    for place in ("whole", "parts"):
        second = next((directory / "whole").glob("step-000000002.*"), None)
        train(
            config,
            random_images(config),
            run,
            watch_with=Unwatched,
            checkpoints=CheckpointDirectory(directory / place),
            stopping=Stopping(run),
            device=torch.device("cpu"),
            resume=read(second) if second else None,
            quiet=True,
        )
        torch.rand(7)
    (step, whole), (other_step, parts) = (last_state(directory / place) for place in ("whole", "parts"))
    assert step == other_step == 3
    assert_identical(parts, whole)
    assert all(tensor.isfinite().all() for tensor in whole.values())
    assert [step for step, _ in run.series("loss/d")] == [1, 2, 3, 3]


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_a_recipe_of_each_kind_trains_and_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    trains_and_goes_on(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in REPRESENTATIVE])
def test_every_recipe_trains_and_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    trains_and_goes_on(name, tmp_path)
