"""Which discriminators are read as piecewise linear, and what happens to the others."""

import logging
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.nn import functional

from tests.trainer.critics.discriminators import ARCHITECTURES, batch, discriminator, two_layers
from trainer.config import Architecture
from trainer.critics import Form, GradientNormalizedCritic, ScoreGradient
from trainer.errors import ConfigError


class Written(nn.Module):
    """A discriminator whose forward is ``of(self, x)``, of images ``[N, 2, 4, 4]``."""

    def __init__(self, of: Callable[["Written", Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolve = nn.Conv2d(2, 2, 3, padding=1)
        self.other = nn.Conv2d(2, 2, 3, padding=1)
        self.score = nn.Linear(2, 1)
        self.weight = nn.Parameter(torch.randn(2))
        self.of = of
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.of(self, x)


def pooled(self: Written, x: Tensor) -> Tensor:
    scores: Tensor = self.score(x.mean((2, 3))).squeeze(1)
    return scores


def thrice(self: Written, y: Tensor) -> Tensor:
    total: Tensor = torch.relu(y) + y + self.other(y)
    return total


LINEAR: dict[str, Callable[[Written, Tensor], Tensor]] = {
    "functions": lambda D, x: pooled(
        D, functional.leaky_relu(D.convolve(functional.relu(D.convolve(x))), 0.1)
    ),
    "methods": lambda D, x: pooled(D, D.convolve(x).relu().add(x)),
    "a shortcut": lambda D, x: pooled(D, x + torch.relu(D.convolve(x)) + D.other(x)),
    "a post-activation block": lambda D, x: pooled(D, torch.relu(x + D.other(torch.relu(D.convolve(x))))),
    "a value used thrice": lambda D, x: pooled(D, thrice(D, D.convolve(x))),
    "shared weights": lambda D, x: pooled(D, D.convolve(torch.relu(D.convolve(x)))),
    "resizing": lambda D, x: pooled(
        D, functional.interpolate(D.convolve(x), scale_factor=2, mode="bilinear") * 3 / 2
    ),
    "overlapping pools": lambda D, x: pooled(D, functional.avg_pool2d(D.convolve(x), 3, 1, 1)),
    "tiling pools": lambda D, x: pooled(D, functional.avg_pool2d(torch.relu(D.convolve(x)), 2)),
    "an adaptive pool": lambda D, x: D.score(
        functional.adaptive_avg_pool2d(D.convolve(x), 1).flatten(1)
    ).squeeze(1),
    "sums": lambda D, x: D.convolve(x).relu().sum((2, 3)).sum(1),
    "a parameter of its own": lambda D, x: (D.convolve(x).mean((2, 3)) * D.weight + D.weight).sum(1),
    "numbers added and taken away": lambda D, x: pooled(
        D, 2 - torch.relu(1 + D.convolve(x - 0.5) + 0.25) - 3
    ),
    "a mean taken away": lambda D, x: (
        torch.relu(D.convolve(x).mean((2, 3)) - D.weight) * D.weight - (D.weight - x.mean((2, 3)))
    ).sum(1),
    "a difference of branches": lambda D, x: pooled(
        D, torch.relu(D.convolve(x)) - torch.sub(-D.other(x), x.mean((2, 3), keepdim=True))
    ),
    "views by the number of samples": lambda D, x: D.score(
        D.convolve(x).relu().view(x.size(0), 2, -1).sum(2).reshape((x.shape[0], -1)).view(x.size()[0], 2)
    ).view(x.size(0)),
    "a bare linear layer": lambda D, x: D.score(x.sum((2, 3))).flatten(),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_piecewise_linear_ones_are_read_and_differentiated_exactly(
    name: str, layout: torch.memory_format
) -> None:
    D = Written(LINEAR[name])
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64).to(memory_format=layout)
    found = {}
    for form in ("double-backward", "four-pass", "five-pass"):
        h = GradientNormalizedCritic(D, form=form)(x)
        parameters = list(D.parameters())
        gradients = torch.autograd.grad(h.square().sum(), parameters, allow_unused=True)
        found[form] = [h, *(torch.zeros(()) if g is None else g for g in gradients)]
    for form in ("four-pass", "five-pass"):
        for a, b in zip(found[form], found["double-backward"], strict=True):
            assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_of_ours_is_read(
    architecture: Architecture, caplog: pytest.LogCaptureFixture
) -> None:
    D = discriminator(architecture)
    x, labels = batch(architecture, 2)
    with caplog.at_level(logging.INFO):
        found = ScoreGradient(D, "four-pass")(x, labels)
    assert found.is_frozen
    assert torch.allclose(found.f, D(x) if labels is None else D(x, labels), rtol=1e-12)
    assert not caplog.messages


NOT_LINEAR: dict[str, Callable[[Written, Tensor], Tensor]] = {
    "a product of two values": lambda D, x: pooled(D, D.convolve(x) * D.other(x)),
    "a square": lambda D, x: pooled(D, D.convolve(x).square()),
    "a forward that asks for values": lambda D, x: pooled(D, D.convolve(x) if x.sum() > 0 else x),
    "a sum without dimensions": lambda D, x: D.convolve(x).sum() + x.sum((1, 2, 3)),
    "a view as another value": lambda D, x: pooled(D, D.convolve(x).view(x.shape)),
    "a view as long as a weight": lambda D, x: pooled(D, D.convolve(x).view(-1, D.weight.size(0), 4, 4)),
    "a product with the number of samples": lambda D, x: pooled(D, D.convolve(x) * x.size(0)),
    "a sum over as many values as there are samples": lambda D, x: D.convolve(x).sum((1, 2, 3)) / x.shape[0],
    "a view as wide as the image": lambda D, x: D.score(D.convolve(x).view(x.size(0), x.size(1), -1).sum(2))[
        :, 0
    ],
    "a constant score": lambda D, x: torch.zeros(3).double() + D.weight.sum(),
    "dropout": lambda D, x: pooled(D, nn.Dropout(0.1)(D.convolve(x))),
    "another forward in eval mode": lambda D, x: pooled(D, D.convolve(x) * (2 if D.training else 1)),
    "a number drawn at each call": lambda D, x: pooled(D, D.convolve(x) * random.random()),
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_is_not_known_to_be_linear_is_refused_where_a_frozen_form_is_asked_for(name: str) -> None:
    D = Written(NOT_LINEAR[name])
    critic = GradientNormalizedCritic(D, form="four-pass")
    with pytest.raises(ConfigError, match="not known to be"):
        critic(torch.randn(3, 2, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize("activation", [nn.ELU(), nn.Softplus(20)])
def test_a_smooth_one_has_double_backward_and_says_so_once(
    activation: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    D = two_layers(activation)
    critic = GradientNormalizedCritic(D)
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    with caplog.at_level(logging.INFO):
        found = critic(x), critic(x)
    (message,) = caplog.messages
    assert "second backward pass" in message
    assert type(activation).__name__ in message
    assert torch.equal(found[0], GradientNormalizedCritic(D, form="double-backward")(x))


def test_hooks_are_called_also_where_they_came_later() -> None:
    D, x = two_layers(nn.ReLU()), torch.randn(3, 1, 2, 2, dtype=torch.float64)
    critic = GradientNormalizedCritic(D)
    before = critic(x)
    calls: list[int] = []
    handle = D[1].register_forward_hook(lambda *_: calls.append(1))
    assert torch.allclose(critic(x), before, rtol=1e-12)
    assert calls == [1]
    handle.remove()
    critic(x)
    assert calls == [1]


def test_layers_that_were_exchanged_are_seen() -> None:
    D, x = two_layers(nn.ReLU()), torch.randn(3, 1, 2, 2, dtype=torch.float64)
    critic = GradientNormalizedCritic(D)
    for activation, is_frozen in ((nn.LeakyReLU(0.3), True), (nn.ELU(), False), (nn.ReLU(), True)):
        D[2] = activation
        assert critic.differentiates_twice(has_labels=False) is not is_frozen
        assert critic.score_gradient(x).is_frozen is is_frozen
        assert torch.allclose(critic(x), GradientNormalizedCritic(D, form="double-backward")(x), rtol=1e-12)


def test_an_activation_that_works_in_place_on_what_others_need_is_seen_as_it_is() -> None:
    """Its input is another value after it than before."""
    D = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 1), nn.Flatten(0)
    ).double()
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    assert ScoreGradient(D, "four-pass")(x).is_frozen

    def shortcut(D: Written, x: Tensor) -> Tensor:
        y = D.convolve(x)
        return pooled(D, functional.relu(y, inplace=True) + y)

    doubled = Written(shortcut)
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    found = ScoreGradient(doubled)(x)
    assert not found.is_frozen
    assert torch.allclose(found.f, doubled(x))


@pytest.mark.parametrize(
    "of",
    [
        lambda D, x: D.convolve(x).flatten(2).sum(2).sum(0) + x.sum((1, 2, 3)),
        lambda D, x: D.convolve(x).reshape(2, -1).sum(1),
    ],
)
def test_layers_that_mix_samples_are_refused(of: Callable[[Written, Tensor], Tensor]) -> None:
    with pytest.raises(ConfigError, match="mixes samples"):
        GradientNormalizedCritic(Written(of))(torch.randn(4, 2, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ELU()])
def test_a_score_that_is_not_one_number_a_sample_is_refused(activation: nn.Module) -> None:
    D = nn.Sequential(nn.Flatten(), activation, nn.Linear(4, 1))
    with pytest.raises(ConfigError, match=r"\[3, 1\] of 3 images"):
        GradientNormalizedCritic(D)(torch.randn(3, 1, 2, 2))


@pytest.mark.parametrize("form", ["four-pass", "five-pass"])
def test_images_that_lie_in_one_place_for_several_channels_are_taken(form: Form) -> None:
    D = Written(LINEAR["tiling pools"])
    first = nn.Sequential(nn.AvgPool2d(2), D)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64).expand(-1, 2, -1, -1)
    gradient = ScoreGradient(first, form)(x).gradient
    assert torch.allclose(gradient, ScoreGradient(first, "double-backward")(x).gradient, rtol=1e-12)


def test_weights_are_read_as_they_are_at_the_call() -> None:
    D = two_layers(nn.ReLU())
    critic, x = GradientNormalizedCritic(D), torch.randn(3, 1, 2, 2)
    D.float()
    with torch.no_grad():
        for parameter in D.parameters():
            parameter.normal_()
    assert torch.allclose(critic(x), GradientNormalizedCritic(D, form="double-backward")(x), rtol=1e-5)
    backward(critic(x).sum())
    assert all(parameter.grad is not None for parameter in D.parameters())
