from pathlib import Path

import pytest
import torch

from trainer.probes.judges.classifier import ClassifierJudge, split
from trainer.probes.judges.digits import FIT, digits_judge, load_digits


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judges")


@pytest.fixture(scope="module")
def judge(cache: Path) -> ClassifierJudge:
    return digits_judge(cache)


def test_it_knows_digits_it_was_not_shown(judge: ClassifierJudge) -> None:
    data = split(*load_digits(), FIT.held_out)
    quality, mode = judge.score(data.held_out_images)
    assert quality is not None
    assert mode is not None
    assert judge.accuracy >= 0.98
    assert (mode == data.held_out_labels).double().mean().item() == judge.accuracy
    assert quality.mean() > 0.9
    assert f"{judge.accuracy:.1%} of 360 held-out" in judge.help
    assert (judge.name, judge.m) == ("digits-classifier", 10)
    assert "".join(judge.modes) == "0123456789"


def test_it_is_not_taken_in_by_what_is_no_digit(judge: ClassifierJudge) -> None:
    real, _ = load_digits()
    noise = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(9)) * 2 - 1
    for images, most in ((noise, 0.2), ((real[:500] + real[500:1000]) / 2, 0.6)):
        quality = judge.score(images).quality
        assert quality is not None
        assert quality.mean() < most


def test_the_next_process_finds_the_same_judge_in_the_cache(judge: ClassifierJudge, cache: Path) -> None:
    images, _ = load_digits()
    again = digits_judge(cache)
    for found, expected in zip(again.score(images), judge.score(images), strict=True):
        assert found is not None
        assert expected is not None
        assert torch.equal(found, expected)
    assert again.accuracy == judge.accuracy
    assert [path.suffix for path in cache.iterdir()] == [".npz"]
