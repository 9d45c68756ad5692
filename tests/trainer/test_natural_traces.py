"""Labels of natural traces, and the judge of colour images: what the traces of the benchmark rest on."""

import numpy as np
import pytest
import torch

from benchmarks.natural_traces import MODES, Arrays, NeighbourJudge, label_of
from benchmarks.turning_points import Score, Trace, score
from tests.monitor.detection.training import MODES as DIGITS
from tests.monitor.detection.training import between, natural_collapse, training


def arrays(records: list[dict[str, float]]) -> Arrays:
    return {name: np.array([record[name] for record in records], np.float32) for name in records[0]}


@pytest.mark.parametrize("seed", range(4))
def test_a_collapse_for_good_is_labelled_where_it_begins(seed: int) -> None:
    label = label_of(arrays(training(100, seed, natural_collapse(60))), DIGITS)
    assert label == {"cls": "turning", "onset": 60, "moved": ["D", "S"]}


@pytest.mark.parametrize("seed", range(4))
def test_a_dip_that_heals_is_no_turn(seed: int) -> None:
    dip = between(60, 65, Q=0.6, D=0.6, S_G_ep=4, S_D_ep=4)
    assert label_of(arrays(training(100, seed, dip)), DIGITS)["cls"] == "healthy"


def test_what_never_learned_is_never_stable() -> None:
    flat = training(100, 1, between(0, 100, Q=0.01, D=0.01))
    assert label_of(arrays(flat), DIGITS)["cls"] == "never_stable"


def test_the_judge_knows_real_images_from_noise_and_spreads_them_over_its_modes() -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = torch.rand(24, 3 * 16 * 16, generator=draw)
    picked = torch.randint(24, (600,), generator=draw)
    real = (shapes[picked] * 200 + torch.rand(600, 768, generator=draw) * 40).byte().view(600, 3, 16, 16)
    judge = NeighbourJudge(real[:500])
    scores = judge.score(real[500:].float() / 127.5 - 1)
    assert scores.quality is not None
    assert scores.mode is not None
    assert scores.quality.mean() > 0.8
    assert len(scores.mode.unique()) > MODES / 2
    noise = judge.score(torch.rand(100, 3, 16, 16, generator=draw) * 2 - 1)
    assert noise.quality is not None
    assert noise.quality.mean() < 0.05


def test_the_benchmark_counts_what_is_found_and_what_is_false() -> None:
    records = training(100, 1, natural_collapse(60))
    turning = {"cls": "turning", "onset": 60, "moved": ["D", "S"]}
    found = score(Trace("t", {"m": DIGITS}, records, turning))
    assert (found.turns, found.found, found.delays, found.false, found.healthy) == (1, 1, [1], 0, 57)
    assert (found.precision, found.recall) == ([1.0], [1.0])
    unexpected = score(Trace("t", {"m": DIGITS}, records, {"cls": "healthy", "onset": None, "moved": []}))
    assert (unexpected.false, unexpected.healthy, unexpected.turns) == (1, 100, 0)
    both = found + unexpected + Score()
    assert (both.turns, both.false, both.healthy, both.delays) == (1, 1, 157, [1])
