from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn

from trainer import networks
from trainer.config import Config
from trainer.recipes import RECIPES


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("size", [8, 12, 16, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_small_networks_fit_any_multiple_of_four(size: int, channels: Literal[1, 3]) -> None:
    base = replace(RECIPES["digits-gn"](), dataset="images")
    agree(replace(base, size=size, channels=channels))


@pytest.mark.parametrize("name", ["dcgan64-gn", "dcgan64-nsgan"])
@pytest.mark.parametrize("size", [32, 64])
def test_dcgan_fits_multiples_of_sixteen(name: str, size: int) -> None:
    config = RECIPES[name]()
    agree(replace(config, size=size, network=replace(config.network, width_g=4, width_d=4)))


def agree(config: Config) -> None:
    G, D = networks.build(config)
    images = G(torch.randn(5, config.network.z_dim))
    assert images.shape == (5, config.channels, config.size, config.size)
    assert images.abs().max() <= 1
    assert D(images).shape == (5,)


def test_dcgan_at_64_has_the_channels_of_its_paper() -> None:
    config = RECIPES["dcgan64-gn"]()
    G, D = networks.build(config)
    deep = [layer.in_channels for layer in G.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert deep == [128, 512, 256, 128, 64]
    assert [layer.out_channels for layer in D.modules() if isinstance(layer, nn.Conv2d)] == [
        64,
        128,
        256,
        512,
        1,
    ]
    assert (parameters(G), parameters(D)) == (3_807_043, 2_764_737)


def test_initialization_follows_from_the_seed_alone() -> None:
    config = RECIPES["digits-gn"]()
    torch.manual_seed(3)
    first = networks.build(config)[0].state_dict()
    torch.manual_seed(3)
    second = networks.build(config)[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_dcgan_initialization_is_its_papers() -> None:
    config = RECIPES["dcgan64-nsgan"]()
    assert config.network.init == "dcgan"
    torch.manual_seed(0)
    G, D = networks.build(config)
    for layer in [*G.modules(), *D.modules()]:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert layer.bias is not None
            assert layer.bias.eq(0).all()
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
