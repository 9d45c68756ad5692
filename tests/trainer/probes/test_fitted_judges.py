import logging
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.reference import kmeans_twin
from trainer.probes.judges import cache, check
from trainer.probes.judges.classifier import Fit, classifier_judge, fit_for, none_of_the_set
from trainer.probes.judges.fitted import fitted_judge, has_classes
from trainer.probes.judges.kmeans import kmeans, kmeans_judge, pixels

QUICK = Fit(widths=(4, 8), epochs=12, held_out=60, batch=32, peak_rate=1e-2)


def stripes(n: int, size: int = 12, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Three classes that anybody tells apart, a little noisy: stripes down, across, and none."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    wave = torch.where(torch.arange(size) % 4 < 2, 0.8, -0.8)
    pattern = torch.stack(
        [wave.expand(size, size), wave[:, None].expand(size, size), torch.zeros(size, size)]
    )
    images = pattern[labels][:, None].expand(n, channels, size, size)
    return images + 0.1 * torch.randn(n, channels, size, size, generator=generator).clamp(-1, 1), labels


def of(part: Tensor | None) -> Tensor:
    assert part is not None
    return part


def test_a_classifier_of_any_labelled_set_is_sure_of_it_and_of_nothing_else(tmp_path: Path) -> None:
    images, labels = stripes(300)
    judge = classifier_judge(images, labels, fit=QUICK, cache=tmp_path)
    assert judge.accuracy == 1
    quality, mode = judge.score(images)
    assert torch.equal(of(mode), labels)
    assert of(quality).mean() > 0.9
    noise = torch.rand(200, 3, 12, 12, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert of(judge.score(noise).quality).mean() < 0.6
    assert (judge.name, judge.m, judge.gives_quality) == ("classifier", 3, True)


def test_bytes_and_floats_of_the_same_images_make_the_same_judge(tmp_path: Path) -> None:
    images, labels = stripes(120)
    as_bytes = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    as_floats = as_bytes.float().div(127.5).sub(1)
    judges = [classifier_judge(x, labels, fit=QUICK, cache=tmp_path) for x in (as_bytes, as_floats)]
    assert torch.equal(*(of(judge.score(as_floats).quality) for judge in judges))
    assert torch.equal(*(kmeans_judge(x, m=3, cache=tmp_path).centres for x in (as_bytes, as_floats)))


def test_large_images_are_averaged_down(tmp_path: Path) -> None:
    images, labels = stripes(90, size=128, channels=1)
    judge = classifier_judge(images, labels, fit=replace(QUICK, epochs=1, held_out=30), cache=tmp_path)
    check(judge, judge.score(images[:5]), 5)
    assert judge.network(torch.zeros(1, 1, 64, 64)).shape == (1, 3)


def test_what_a_classifier_is_fitted_with_follows_the_data() -> None:
    assert fit_for(50_000, 32) == Fit((32, 64, 128, 128), epochs=4, held_out=5000)
    assert fit_for(1000, 8).widths == (32, 64)
    assert fit_for(100, 256).widths == (32, 64, 128, 128, 128)
    assert fit_for(100, 8).batch == 80


def test_what_is_none_of_the_set_is_noise_scrambled_images_and_two_in_one() -> None:
    images, labels = stripes(80)
    strange = none_of_the_set(images, labels, torch.Generator().manual_seed(0))
    noise, scrambled, both = strange[:20], strange[20:40], strange[40:]
    assert noise.abs().max() <= 1
    assert torch.equal(*(x.flatten(2).sort().values for x in (scrambled, images[:20])))
    assert not torch.equal(scrambled, images[:20])
    assert 0 < len(both) <= 20


def blobs(n: int, m: int, d: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(m, d, generator=generator)
    return centres[torch.arange(n) % m] + torch.randn(n, d, generator=generator)


@pytest.mark.parametrize("m", [2, 5, 9])
def test_bins_are_those_of_the_slow_twin(m: int) -> None:
    points = blobs(200, 5)
    centres = kmeans(points, m)
    expected = kmeans_twin.settle(points.tolist(), centres.tolist())
    assert torch.allclose(centres, torch.tensor(expected), atol=1e-4)


def test_well_separated_bins_are_found_and_none_stays_empty() -> None:
    points = blobs(300, 3)
    bins = torch.cdist(points, kmeans(points, 3)).argmin(dim=1)
    assert [len(set(bins[k::3].tolist())) for k in range(3)] == [1, 1, 1]
    assert torch.bincount(torch.cdist(points, kmeans(points, 20)).argmin(dim=1), minlength=20).min() > 0
    alike = kmeans(torch.ones(30, 4), 5)
    assert torch.equal(alike, torch.ones(5, 4))


def test_a_bin_judge_tells_modes_and_no_quality(tmp_path: Path) -> None:
    images, labels = stripes(300)
    judge = kmeans_judge(images, m=3, cache=tmp_path)
    scores = judge.score(images)
    check(judge, scores, 300)
    assert len(set(zip(of(scores.mode).tolist(), labels.tolist(), strict=True))) == 3
    images[7, 0, 0, 0] = torch.nan
    assert of(judge.score(images).mode)[7] == -1


def test_an_embedding_of_ones_own_says_where_the_bins_are(tmp_path: Path) -> None:
    images, _ = stripes(60)
    judge = kmeans_judge(images, m=2, embedding=brightness, cache=tmp_path)
    assert judge.centres.shape == (2, 1)
    with pytest.raises(ValueError, match="bins in 1 dimensions"):
        type(judge)(judge.centres, pixels).score(images)


def brightness(images: Tensor) -> Tensor:
    return images.mean((1, 2, 3))[:, None]


def test_images_with_classes_get_a_classifier_and_others_bins(tmp_path: Path) -> None:
    images, labels = stripes(90, size=6)
    assert fitted_judge(images, labels, cache=tmp_path).name == "classifier"
    for missing in (None, torch.arange(90), labels - 1, labels * 0, labels.double()):
        judge = fitted_judge(images, missing, cache=tmp_path)
        assert (judge.name, judge.m) == ("kmeans", 22)
    assert has_classes(labels)


def test_fitting_gives_the_same_judge_each_time_and_leaves_torchs_generator_alone(tmp_path: Path) -> None:
    images, labels = stripes(90, size=6)
    for name, given in (("a", labels), ("b", None)):
        first = fitted_judge(images, given, cache=tmp_path / name)
        torch.rand(7)
        state = torch.get_rng_state()
        second = fitted_judge(images, given, cache=tmp_path / name / "elsewhere")
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(of(first.score(images).mode), of(second.score(images).mode))


def test_fitted_judges_can_go_into_another_process(tmp_path: Path) -> None:
    images, labels = stripes(90, size=6)
    for given in (labels, None):
        judge = fitted_judge(images, given, cache=tmp_path)
        there = pickle.loads(pickle.dumps(judge))
        assert torch.equal(of(there.score(images).mode), of(judge.score(images).mode))


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
def test_a_damaged_cache_is_replaced(tmp_path: Path, damage: str) -> None:
    images, labels = stripes(90, size=6)
    fit = replace(QUICK, epochs=1, held_out=30)
    expected = of(classifier_judge(images, labels, fit=fit, cache=tmp_path).score(images).quality)
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
    again = classifier_judge(images, labels, fit=fit, cache=tmp_path)
    assert torch.equal(of(again.score(images).quality), expected)
    assert path.read_bytes() != b"not a cache at all"


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        kmeans_judge(stripes(60)[0], m=3, cache=blocked)
    assert "fitted again next time" in caplog.text


def test_the_cache_lies_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_directory() == tmp_path / "ganwatch" / "judges"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_directory() == Path.home() / ".cache" / "ganwatch" / "judges"


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (torch.zeros(60, dtype=torch.long), "at least two classes"),
        (torch.full((60,), -1), "at least two classes"),
        (torch.zeros(59, dtype=torch.long), "labels [N]"),
        (torch.zeros(60), "float32"),
    ],
)
def test_labels_that_are_none_are_refused(labels: Tensor, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as refused:
        classifier_judge(stripes(60)[0], labels, fit=QUICK, cache=tmp_path)
    assert says in str(refused.value)


@pytest.mark.parametrize("shape", [(2, 1, 12, 12), (2, 3, 24, 24), (12, 12)])
def test_a_classifier_refuses_images_of_another_kind(shape: tuple[int, ...], tmp_path: Path) -> None:
    images, labels = stripes(90)
    judge = classifier_judge(images, labels, fit=replace(QUICK, epochs=1, held_out=30), cache=tmp_path)
    with pytest.raises(ValueError, match=r"judges images \[N, 3, 12, 12\]"):
        judge.score(torch.zeros(shape))


def test_an_image_that_is_not_finite_has_no_quality_and_no_mode(tmp_path: Path) -> None:
    images, labels = stripes(90)
    judge = classifier_judge(images, labels, fit=replace(QUICK, epochs=1, held_out=30), cache=tmp_path)
    images[1, 0, 0, 0] = torch.nan
    quality, mode = judge.score(images[:3])
    assert of(quality).isnan().tolist() == [False, True, False]
    assert of(mode)[1] == -1


@pytest.mark.parametrize("m", [1, 61])
def test_bins_that_cannot_be_found_are_refused(m: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 to N bins"):
        kmeans_judge(stripes(60)[0], m=m, cache=tmp_path)
