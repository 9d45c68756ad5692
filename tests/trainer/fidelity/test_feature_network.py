import pickle
from pathlib import Path

import pytest
import torch
from torch_fidelity import feature_extractor_inceptionv3  # type: ignore[import-untyped]

from tests.trainer.fidelity.measured import images, settings
from trainer.config import Config, Fidelity, Metric, Network
from trainer.data import load
from trainer.errors import ConfigError, FidelityError
from trainer.fidelity.feature_network import RESIZES, FeatureNetwork

CPU = torch.device("cpu")


def test_the_small_network_knows_the_classes_of_cifar10(weights: Path, packed_sets: Path) -> None:
    path = packed_sets / "cifar10_lossless4k.npz"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    network = Network(architecture="dcgan")
    config = Config(recipe="x", dataset="cifar10", data=path, size=32, channels=3, network=network, steps=1)
    cifar = load(config)
    assert cifar.labels is not None
    found = FeatureNetwork(settings(weights), CPU).features(torch.split(cifar.images[:300], 100))
    assert found["64"].shape == (300, 64)
    right = (found["logits"].argmax(1) == cifar.labels[:300]).float().mean().item()
    assert right > 0.99  # 99.8 % of its training images, as its authors have it


def test_features_do_not_depend_on_how_images_are_batched(weights: Path) -> None:
    network, pictures = FeatureNetwork(settings(weights), CPU), images(40).images
    whole = network.features([pictures])["64"]
    assert torch.allclose(network.features(torch.split(pictures, 7))["64"], whole, atol=1e-5)


def test_a_grey_image_is_one_of_three_equal_colours(weights: Path) -> None:
    network, grey = FeatureNetwork(settings(weights), CPU), images(5, channels=1).images
    assert torch.equal(network.features([grey])["64"], network.features([grey.repeat(1, 3, 1, 1)])["64"])


def test_other_weights_have_another_fingerprint(weights: Path, tmp_path: Path) -> None:
    stored = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    torch.save(stored, tmp_path / "same.pt")
    stored["module.linear.bias"][0] += 1e-3
    torch.save(stored, tmp_path / "other.pt")
    given, same, other = (
        FeatureNetwork(settings(path), CPU).fingerprint
        for path in (weights, tmp_path / "same.pt", tmp_path / "other.pt")
    )
    assert given == same != other


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code was run')",))


def test_weights_that_hold_code_are_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    with path.open("wb") as file:
        pickle.dump({"state_dict": Harmful()}, file, protocol=2)  # what torch.load expects
    for extractor in RESIZES:
        with pytest.raises(FidelityError, match=r"weights\.pt is no file of weights, or holds more"):
            FeatureNetwork(Fidelity(extractor=extractor, weights=path, metrics=("fid",)), CPU)


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_weights_that_are_missing_or_none_say_what_to_set(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        FidelityError, match=r"weights\.pt.*set fidelity\.weights to a file .* fidelity\.every to 0"
    ):
        FeatureNetwork(settings(path), CPU)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(FidelityError, match=r"cifar10-resnet20 cannot be loaded from .*other\.pt"):
        FeatureNetwork(settings(tmp_path / "other.pt"), CPU)


@pytest.mark.slow
def test_the_networks_of_the_literature_are_asked_for_its_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With weights as they are initialized: its own can only be fetched."""
    inception = feature_extractor_inceptionv3.FeatureExtractorInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(inception, "load_state_dict", lambda self, weights: None)
        patch.setattr(feature_extractor_inceptionv3, "load_state_dict_from_url", lambda *_, **__: {})
        weights = inception("inception-v3-compat", ["2048"]).state_dict()
    torch.save(weights, tmp_path / "inception.pth")
    metrics: tuple[Metric, ...] = ("inception-score", "fid", "kid", "precision-recall")
    network = FeatureNetwork(Fidelity(weights=tmp_path / "inception.pth", metrics=metrics), CPU)
    found = network.features([images(3).images, images(2).images])
    assert {layer: tuple(features.shape) for layer, features in found.items()} == {
        "2048": (5, 2048),
        "logits_unbiased": (5, 1008),
    }
    assert network.layers == dict.fromkeys(metrics, "2048") | {"inception-score": "logits_unbiased"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"every": -1}, r"fidelity\.every = -1 epochs must not be negative"),
        ({"samples": 9}, r"fidelity\.samples = 9 must be at least 10"),
        ({"real": 9}, r"fidelity\.real = 9 must be 0, for all there are, or at least 10"),
        ({"metrics": ()}, r"fidelity\.metrics = none"),
        ({"metrics": ("fid", "fid")}, r"fidelity\.metrics = fid fid: name each once"),
        ({"extractor": "vgg16"}, r"inception-score, which needs classes, and fidelity\.extractor = vgg16"),
        ({"extractor": "cifar10-resnet20"}, r"cifar10-resnet20 cannot be fetched: set fidelity\.weights"),
    ],
)
def test_settings_that_cannot_be_measured_with_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Fidelity(**changes)  # type: ignore[arg-type]
