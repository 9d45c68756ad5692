from collections import Counter
from dataclasses import replace
from typing import Any, Literal, get_args

import pytest
import torch
from torch import Tensor, nn

from tests.reference import networks_twin as reference
from trainer import networks
from trainer.config import Activation, Architecture, Config, Initialization, Network
from trainer.errors import ConfigError
from trainer.networks import biggan
from trainer.networks.residual import ladder
from trainer.recipes import RECIPES

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
SIZES = [32, 48, 64, 96, 128]


def narrow(architecture: Architecture, size: int = 32, **changes: Any) -> Config:
    classes = 3 if architecture == "biggan" else 0
    settings = {"z_dim": 8, "width_g": 2, "width_d": 2, "classes": classes, "init": "kaiming"} | changes
    network = Network(architecture=architecture, **settings)
    return Config(recipe="test", dataset="images", size=size, channels=3, steps=1, network=network)


def built(config: Config) -> tuple[nn.Module, networks.Discriminator]:
    torch.manual_seed(0)
    return networks.build(config)


def pictures(n: int = 4, size: int = 32) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("gn-cifar10-cnn", (3_813_379, 5_860_865)),
        ("gn-stl10-cnn", (5_134_339, 5_871_105)),
        ("gn-cifar10-resnet", (4_276_739, 1_053_825)),
        ("gn-stl10-resnet", (4_878_083, 4_859_073)),
        ("gn-celebahq128", (32_150_787, 38_419_137)),
        ("gn-church256", (37_135_107, 43_401_409)),
        ("gn-cifar10-biggan", (4_304_387, 4_207_361)),
        ("grand-cifar10", (4_276_739, 1_053_825)),
        ("grand-stl10", (4_878_083, 10_141_441)),
        ("grand-celeba128", (32_150_787, 29_017_857)),
        ("dcgan64-gn", (3_807_043, 2_764_737)),
        # Three cells, six skips and shortcuts; the discriminator lacks GraN's last bias.
        ("sdp-cifar10-autogan", (4_405_251, 1_053_824)),
    ],
)
def test_networks_have_as_many_parameters_as_their_papers(recipe: str, expected: tuple[int, int]) -> None:
    config = RECIPES[recipe]()
    # Nothing is drawn on "meta"; but a table of classes drawn there makes torch load its compiler.
    with torch.device("meta" if config.network.classes == 0 else "cpu"):
        G, D = networks.BUILDERS[config.network.architecture](config)
    assert (parameters(G), parameters(D)) == expected


@pytest.mark.parametrize("size", [8, 12, 16, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_small_networks_fit_any_multiple_of_four(size: int, channels: Literal[1, 3]) -> None:
    agree(replace(narrow("small"), size=size, channels=channels))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_fits_multiples_of_sixteen(architecture: Architecture, size: int) -> None:
    agree(narrow(architecture, size))


@pytest.mark.parametrize("size", [16, 80, 112, 144, 192, 256, 512])
def test_residual_networks_fit_sizes_that_are_no_powers_of_two(size: int) -> None:
    agree(narrow("resnet", size, width_g=1, width_d=1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_draws_in_grey(architecture: Architecture) -> None:
    agree(replace(narrow(architecture), channels=1))


def agree(config: Config) -> None:
    G, D = built(config)
    with torch.no_grad():
        images = G(torch.randn(2, config.network.z_dim))
        assert images.shape == (2, config.channels, config.size, config.size)
        assert images.abs().max() <= 1
        assert D(images).shape == (2,)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (32, [1, 1, 1, 1]),
        (48, [8, 4, 2, 1]),
        (64, [16, 8, 4, 2, 1]),
        (128, [16, 16, 8, 4, 2, 1]),
        (256, [16, 16, 8, 8, 4, 2, 1]),
        (512, [16, 16, 8, 8, 8, 4, 2, 1]),
    ],
)
def test_channels_follow_the_ladder(size: int, expected: list[int]) -> None:
    assert ladder(size, 1) == expected


def test_dcgan_at_64_has_the_channels_of_its_paper() -> None:
    G, D = networks.BUILDERS["dcgan"](RECIPES["dcgan64-gn"]())
    deep = [layer.in_channels for layer in G.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert deep == [128, 512, 256, 128, 64]
    out = [layer.out_channels for layer in D.modules() if isinstance(layer, nn.Conv2d)]
    assert out == [64, 128, 256, 512, 1]


# What a discriminator hands out.


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_come_with_the_scores_in_one_pass(architecture: Architecture) -> None:
    _, D = built(narrow(architecture, activation_d="relu"))
    calls: Counter[str] = Counter()
    for name, layer in D.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda *_, name=name: calls.update([name]))
    images = pictures()
    scores, features = D.features(images)
    assert set(calls.values()) == {1}
    assert torch.equal(scores, D(images))
    assert all(feature.ndim == 4 and len(feature) == len(images) for feature in features)
    assert all(feature.min() >= 0 for feature in features)
    blocks = {"small": 3, "dcgan": 4, "cnn": 7, "resnet": 4, "gran": 4, "biggan": 4, "autogan": 4}
    assert len(features) == blocks[architecture]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("activation", ["relu", "leaky-relu"])
def test_discriminators_are_piecewise_linear_where_their_activation_is(
    architecture: Architecture, activation: Activation
) -> None:
    _, D = built(narrow(architecture, activation_d=activation))
    D.double()
    images = pictures(2).double()
    step = 1e-9 * torch.randn(images.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    labels = torch.tensor([0, 1])
    once, twice = (D(images + n * step, labels) - D(images, labels) for n in (1, 2))
    assert once.abs().min() > 0
    torch.testing.assert_close(twice, 2 * once, rtol=1e-4, atol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_sample_is_scored_by_itself(architecture: Architecture) -> None:
    _, D = built(narrow(architecture))
    images = pictures(3)
    labels = torch.tensor([0, 1, 2])
    torch.testing.assert_close(D(images, labels)[:1], D(images[:1], labels[:1]))


@pytest.mark.parametrize(
    ("activation", "kind"),
    [("relu", nn.ReLU), ("leaky-relu", nn.LeakyReLU), ("elu", nn.ELU), ("softplus", nn.Softplus)],
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_discriminators_activation_can_be_chosen(
    architecture: Architecture, activation: Activation, kind: type[nn.Module]
) -> None:
    _, D = built(narrow(architecture, activation_d=activation, slope=0.3, beta=4.0))
    found = [
        layer for layer in D.modules() if isinstance(layer, nn.ReLU | nn.LeakyReLU | nn.ELU | nn.Softplus)
    ]
    assert found
    assert {type(layer) for layer in found} == {kind}
    assert len(set(map(id, found))) == len(found)
    assert {getattr(layer, "negative_slope", 0.3) for layer in found} == {0.3}
    assert {getattr(layer, "beta", 4.0) for layer in found} == {4.0}


@pytest.mark.parametrize("architecture", ["resnet", "gran", "biggan", "autogan"])
def test_batch_norm_is_refused_where_the_architecture_has_none(architecture: Architecture) -> None:
    with pytest.raises(ConfigError, match=f"of {architecture} networks has no norm, set it to none"):
        narrow(architecture, norm_d="batch")


def test_batch_norm_can_be_left_out_everywhere() -> None:
    G, D = built(narrow("resnet", norm_g="none"))
    assert not [layer for part in (G, D) for layer in part.modules() if isinstance(layer, nn.BatchNorm2d)]


# The same function as the drawings in the papers.


@pytest.mark.parametrize("size", [32, 48, 64])
@pytest.mark.parametrize(("architecture", "mode"), [("resnet", "nearest"), ("gran", "bilinear")])
def test_residual_networks_compute_what_their_papers_draw(
    architecture: Architecture, mode: str, size: int
) -> None:
    G, D = built(narrow(architecture, size, init="xavier", activation_d="relu", pool_d="sum"))
    G.double()
    D.double()
    z = torch.randn(3, 8, dtype=torch.float64)
    images = G(z)
    torch.testing.assert_close(images, reference.generated(G, z, mode))
    torch.testing.assert_close(D(images), reference.scored(D, images, "sum"))


def test_autogan_computes_what_its_paper_draws() -> None:
    G, D = built(narrow("autogan", init="xavier", activation_d="relu", pool_d="mean"))
    G.double()
    D.double()
    z = torch.randn(3, 8, dtype=torch.float64)
    images = G(z)
    torch.testing.assert_close(images, reference.generated_by_autogan(G, z))
    torch.testing.assert_close(D(images), reference.scored(D, images, "mean"))


def test_biggan_computes_what_its_paper_draws() -> None:
    G, D = built(narrow("biggan", init="xavier", activation_d="relu", pool_d="sum"))
    G.double().eval()  # spectral norms stay as they are
    for layer in G.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train()
    D.double()
    z, labels = torch.randn(4, 8, dtype=torch.float64), torch.tensor([2, 0, 1, 1])
    images = G(z, labels)
    torch.testing.assert_close(images, reference.generated_by_class(G, z, labels))
    pooled = D.features(images)[1][-1].sum((2, 3))
    projected = (D.projection.weight[labels] * pooled).sum(1)
    torch.testing.assert_close(D(images, labels), reference.scored(D, images, "sum") + projected)


# Classes.


def test_without_labels_a_conditional_generator_draws_classes_in_turn() -> None:
    G, _ = built(narrow("biggan", init="normal"))
    G.eval()
    z = torch.randn(5, 8)
    assert torch.equal(G(z), G(z, torch.tensor([0, 1, 2, 0, 1])))
    assert not torch.equal(G(z), G(z, torch.tensor([1, 1, 2, 0, 1])))


def test_without_labels_a_conditional_score_is_the_mean_over_classes() -> None:
    _, D = built(narrow("biggan"))
    images = pictures(2)
    by_class = torch.stack([D(images, torch.full((2,), label)) for label in range(3)])
    assert by_class.std(0).min() > 0
    torch.testing.assert_close(D(images), by_class.mean(0))


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "biggan"])
def test_unconditional_networks_take_no_notice_of_labels(architecture: Architecture) -> None:
    G, D = built(narrow(architecture))
    G.eval()
    z, labels = torch.randn(3, 8), torch.tensor([0, 1, 2])
    assert torch.equal(G(z, labels), G(z))
    assert torch.equal(D(pictures(3), labels), D(pictures(3)))


def test_biggans_generator_is_divided_by_spectral_norms_and_its_discriminator_is_not() -> None:
    G, D = built(narrow("biggan", width_g=8, width_d=8))
    for _ in range(30):  # one power iteration a pass
        G(torch.randn(2, 8))
    norms = [
        torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        for layer in G.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    assert len(norms) == 11
    torch.testing.assert_close(torch.stack(norms), torch.ones(11), rtol=0.02, atol=0)
    assert not any("parametrizations" in name for name, _ in D.named_parameters())
    assert not any("parametrizations.gain" in name for name, _ in G.named_parameters())


def test_biggans_weights_are_drawn_before_they_are_normalized() -> None:
    G, _ = built(narrow("biggan", width_g=64, init="xavier"))
    assert isinstance(G, biggan.Generator)
    weight = G.blocks[0].rise[2].parametrizations.weight.original
    assert weight.abs().max().item() == pytest.approx((6 / (9 * 128)) ** 0.5, rel=0.01)


# Initialization.


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_initialization_follows_from_the_seed_alone(architecture: Architecture) -> None:
    first, second = (built(narrow(architecture))[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("how", "deviation"),
    [
        ("normal", 0.02),
        ("dcgan", 0.02),
        ("kaiming", (2 / (9 * 32)) ** 0.5),
        ("xavier", (2 / (9 * 64)) ** 0.5),
        ("xavier-residual", (4 / (9 * 64)) ** 0.5),
        ("orthogonal", (1 / (9 * 32)) ** 0.5),
    ],
)
def test_residual_branches_are_drawn_as_asked(how: Initialization, deviation: float) -> None:
    _, D = built(narrow("resnet", width_d=32, init=how))
    weight = D.get_submodule("blocks.1.residual.0").get_parameter("weight")
    assert weight.std().item() == pytest.approx(deviation, rel=0.05)
    assert all(parameter.eq(0).all() for name, parameter in D.named_parameters() if name.endswith("bias"))


def test_gran_draws_only_residual_branches_wider() -> None:
    G, D = built(narrow("gran", z_dim=128, width_g=32, width_d=32, init="xavier-residual"))

    def reach(network: nn.Module, name: str) -> float:
        """The greatest weight in units of Xavier's bound with gain 1."""
        weight = network.get_submodule(name).get_parameter("weight")
        pixels = weight[0, 0].numel() if weight.ndim == 4 else 1
        bound = (6 / (pixels * (weight.shape[0] + weight.shape[1]))) ** 0.5
        return weight.abs().max().item() / bound

    branches = [(G, "blocks.0.residual.3"), (D, "blocks.0.residual.2"), (D, "blocks.3.residual.0")]
    others = [(G, "project"), (G, "blocks.0.shortcut.0"), (D, "blocks.1.shortcut.1"), (D, "score")]
    assert [reach(*of) for of in branches] == pytest.approx([2**0.5] * 3, rel=0.05)
    assert [reach(*of) for of in others] == pytest.approx([1.0] * 4, rel=0.08)


def test_dcgan_initialization_is_its_papers() -> None:
    G, D = built(narrow("dcgan", 64, width_g=16, width_d=16, norm_d="batch", init="dcgan"))
    for layer in [*G.modules(), *D.modules()]:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.6)
