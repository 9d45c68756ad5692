import logging
from pathlib import Path

import pytest
import torch

from trainer.probes.judges import digits
from trainer.probes.judges.digits import DigitsJudge, digits_judge, load_digits, split


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judges")


@pytest.fixture(scope="module")
def judge(cache: Path) -> DigitsJudge:
    return digits_judge(cache)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits.train, "__defaults__", (1,))


def test_it_knows_digits_it_was_not_shown(judge: DigitsJudge) -> None:
    data = split(*load_digits())
    quality, mode = judge.score(data.held_out_images)
    assert judge.accuracy >= 0.98
    assert (mode == data.held_out_labels).double().mean().item() == judge.accuracy
    assert quality.mean() > 0.9
    assert f"{judge.accuracy:.1%}" in judge.help


def test_it_is_not_taken_in_by_what_is_no_digit(judge: DigitsJudge) -> None:
    real, _ = load_digits()
    noise = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(9)) * 2 - 1
    assert judge.score(noise)[0].mean() < 0.2
    assert judge.score((real[:500] + real[500:1000]) / 2)[0].mean() < 0.6


def test_the_next_process_finds_the_same_judge_in_the_cache(judge: DigitsJudge, cache: Path) -> None:
    images, _ = load_digits()
    again = digits_judge(cache)
    assert again.accuracy == judge.accuracy
    assert torch.equal(again.score(images)[0], judge.score(images)[0])
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


@pytest.mark.usefixtures("quick")
def test_training_gives_the_same_judge_each_time_and_leaves_torchs_generator_alone(tmp_path: Path) -> None:
    images, _ = load_digits()
    first = digits_judge(tmp_path / "a")
    torch.rand(7)
    state = torch.get_rng_state()
    second = digits_judge(tmp_path / "b")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.score(images)[0], second.score(images)[0])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
def test_a_damaged_cache_is_replaced(tmp_path: Path, damage: str) -> None:
    images, _ = load_digits()
    expected = digits_judge(tmp_path).score(images)[0]
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "other": b"not a cache at all",
        }[damage]
    )
    assert torch.equal(digits_judge(tmp_path).score(images)[0], expected)


@pytest.mark.usefixtures("quick")
def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        digits_judge(blocked)
    assert "trained again next time" in caplog.text


def test_the_cache_lies_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert digits.cache_directory() == tmp_path / "ganwatch" / "judges"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert digits.cache_directory() == Path.home() / ".cache" / "ganwatch" / "judges"


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 16, 16), (8, 8)])
def test_images_of_another_kind_are_refused(judge: DigitsJudge, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"judges images \[N, 1, 8, 8\]"):
        judge.score(torch.zeros(shape))


def test_an_image_that_is_not_finite_has_no_quality_and_no_mode(judge: DigitsJudge) -> None:
    images = load_digits()[0][:3].clone()
    images[1, 0, 0, 0] = float("nan")
    quality, mode = judge.score(images)
    assert quality.isnan().tolist() == [False, True, False]
    assert mode[1] == -1
