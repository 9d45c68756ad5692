"""Fidelity of a generator: the package's own numbers, without a trace, each with its protocol."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch_fidelity import calculate_metrics  # type: ignore[import-untyped]

from tests.trainer.fidelity.measured import ALL, config, generator, images, settings
from trainer.config import Network
from trainer.errors import FidelityError
from trainer.fidelity import Meter, meter_of
from trainer.fidelity.measuring import to_bytes
from trainer.fidelity.real_statistics import choose
from trainer.probes.sample_grid import normal_latents
from trainer.sampling import latents_of


class Images(Dataset[Tensor]):
    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return self.pixels[index]


def meter(weights: Path, G: nn.Module | None = None, n: int = 80, **changes: object) -> Meter:
    latents = normal_latents((8,))
    return Meter(settings(weights, **changes), G or generator(), latents, images(n), seed=5)


def drawn(weights: Path, n: int) -> Tensor:
    """What the meter sees of the generator."""
    return torch.cat(list(meter(weights, samples=n)._generated()))


def test_figures_are_the_packages_own_of_the_same_images(weights: Path) -> None:
    found = meter(weights, generator().eval()).measure()
    with torch.no_grad():
        generated = Images(torch.cat(list(meter(weights, generator().eval())._generated())))
    theirs = calculate_metrics(
        input1=generated,
        input2=Images(images(80).images),
        feature_extractor="cifar10-resnet20",
        feature_extractor_weights_path=str(weights),
        **dict.fromkeys(("isc", "fid", "kid", "prc"), True),
        kid_subset_size=60,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    names = {
        "inception_score": "inception_score_mean",
        "inception_score_sd": "inception_score_std",
        "fid": "frechet_inception_distance",
        "kid": "kernel_inception_distance_mean",
        "kid_sd": "kernel_inception_distance_std",
        "precision": "precision",
        "recall": "recall",
    }
    assert {name.split("/")[0] for name in found} == names.keys()
    for name, key in names.items():
        assert found[f"{name}/cifar10-resnet20"] == pytest.approx(theirs[key], rel=1e-4, abs=1e-6), name


def test_a_generator_that_draws_the_real_images_has_no_distance_from_them(weights: Path) -> None:
    class Copies(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            pixels = next(self.parts)
            assert len(pixels) == len(z)
            return pixels.float() / 127.5 - 1

        def __init__(self) -> None:
            super().__init__()
            self.parts: Iterator[Tensor] = iter(torch.split(images(80).images, 64))

    found = meter(weights, Copies(), samples=80).measure()
    assert abs(found["fid/cifar10-resnet20"]) < 1e-3
    assert found["precision/cifar10-resnet20"] == found["recall/cifar10-resnet20"] == 1


def test_measuring_twice_gives_the_same_numbers_and_leaves_no_trace(weights: Path) -> None:
    G = generator()
    before = {name: value.clone() for name, value in G.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one = meter(weights, G)
    assert one.measure() == one.measure()
    assert torch.equal(torch.get_rng_state(), state)
    assert G.training
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())


def test_a_generator_that_draws_nan_has_figures_that_are_nan(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    G = generator()
    nn.init.constant_(G.layers[0].weight, math.nan)  # type: ignore[arg-type]
    found = meter(weights, G).measure()
    assert len(found) == 7
    assert all(math.isnan(value) for value in found.values())
    assert "draws pixels that are NaN or infinite" in caplog.text


def test_only_what_is_asked_for_is_measured(weights: Path) -> None:
    assert meter(weights, metrics=("fid",)).measure().keys() == {"fid/cifar10-resnet20"}
    scores = meter(weights, metrics=("inception-score",)).measure()
    assert scores.keys() == {"inception_score/cifar10-resnet20", "inception_score_sd/cifar10-resnet20"}


def test_every_series_names_its_protocol(weights: Path) -> None:
    series = meter(weights, real=50).series
    assert {one.metric for one in series} == set(ALL)
    for one in series:
        said = one.facts["help"]
        assert "60 images of G_ema from latents that never change, 50 real ones of pictures (" in said
        assert "each 16x16 with 8 bits; cifar10-resnet20 (weights " in said
        assert "scales to 32x32, bilinear with antialiasing; torch-fidelity 0." in said
        assert f"Layer {'logits' if one.metric == 'inception-score' else '64'}." in said
        assert (one.facts["judge"], one.facts["n"]) == ("cifar10-resnet20", 60)
    kid = next(one for one in series if one.name == "kid/cifar10-resnet20")
    assert "100 subsets of 50." in kid.facts["help"]


def test_statistics_of_real_images_are_computed_once(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        first = meter(weights).measure()
        assert "features of 80 images" in caplog.text
        caplog.clear()
        assert meter(weights).measure() == first
        assert "features of" not in caplog.text


@pytest.mark.parametrize(
    "changes", [{"real": 50}, {"n": 79}, {"metrics": ("fid",)}], ids=["chosen", "images", "figures"]
)
def test_other_statistics_have_a_place_of_their_own(
    changes: dict[str, object], weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    meter(weights)
    with caplog.at_level("INFO"):
        meter(weights, **changes)  # type: ignore[arg-type]
    assert "features of" in caplog.text


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_damaged_statistics_are_made_anew(
    damage: str, weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def measured() -> dict[str, float]:
        latents = normal_latents((8,))
        return Meter(settings(weights), generator(), latents, images(80), seed=5, folder=tmp_path).measure()

    first = measured()
    (kept,) = tmp_path.iterdir()
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes({"flipped": bytes(content), "cut": bytes(content[:5000]), "empty": b""}[damage])
    assert measured() == first
    assert "is damaged and made anew" in caplog.text
    caplog.clear()
    assert measured() == first
    assert caplog.text == ""


def test_statistics_that_cannot_be_kept_are_measured_with_all_the_same(
    weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    latents = normal_latents((8,))
    one = Meter(settings(weights), generator(), latents, images(80), seed=5, folder=tmp_path / "file")
    assert one.measure() == meter(weights).measure()
    assert "are not kept in" in caplog.text


def test_more_real_images_than_there_are_cannot_be_compared_with(weights: Path) -> None:
    with pytest.raises(FidelityError, match=r"fidelity\.real = 81 and there are 80 real images"):
        meter(weights, real=81)


def test_the_same_real_images_are_chosen_every_time() -> None:
    assert choose(5, 0).tolist() == [0, 1, 2, 3, 4]
    chosen = choose(1000, 100)
    assert torch.equal(chosen, choose(1000, 100))
    assert len(set(chosen.tolist())) == 100
    assert chosen.tolist() == sorted(chosen.tolist())
    assert 300 < chosen.float().mean() < 700


def test_a_reference_is_compared_with_in_place_of_the_training_images(weights: Path, tmp_path: Path) -> None:
    for i, pixels in enumerate(images(20, seed=4).images):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / f"{i:02}.png")
    chosen = config(settings(weights, reference=tmp_path, metrics=("fid",)), size=16)
    G = nn.Sequential(nn.Linear(8, 3 * 256), nn.Tanh(), nn.Unflatten(1, (3, 16, 16)))
    one = meter_of(chosen, G, images(80))
    assert one.protocol.real == 20
    latents = latents_of(chosen.network)
    other = Meter(chosen.fidelity, G, latents, images(20, seed=4), seed=one.sampler.seed)
    assert one.measure() == other.measure()


def test_bytes_are_the_inverse_of_what_training_images_go_through() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(to_bytes(pixels.float() / 127.5 - 1), pixels)
    assert to_bytes(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_conditional_generators_are_asked_for_every_class_alike() -> None:
    network = Network(architecture="biggan", norm_g="batch", classes=10, z_dim=8)
    z, labels = latents_of(network)(5000, torch.Generator().manual_seed(0))
    assert z.shape == (5000, 8)
    assert labels.dtype == torch.int64
    counts = torch.bincount(labels, minlength=10)
    assert len(counts) == 10
    assert bool(((counts - 500).abs() < 5 * (5000 * 0.1 * 0.9) ** 0.5).all())
