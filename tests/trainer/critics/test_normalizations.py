"""The formulas: against slow twins, and what theory says of them."""

from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward

from tests.reference import critics_twin
from tests.trainer.critics.discriminators import two_layers
from tests.trainer.critics.slopes import assert_gradients_are_slopes
from trainer import config, critics
from trainer.config import CriticName
from trainer.critics import Critic, GradientNormalizedCritic
from trainer.critics.normalizations import (
    gradient_normalization,
    gradient_normalization_0,
    normalize,
    penalty_gradient_normalization,
    penalty_gradient_normalization_as_published,
    piecewise_gradient_normalization,
)
from trainer.losses import LOSSES

NORMALIZED = [kind for kind in get_args(CriticName) if kind not in ("raw", "sn")]
TAU, EPSILON = 0.8, 1e-3


def critic_of(kind: CriticName, D: nn.Module) -> Critic:
    options = {"tau": TAU, "epsilon": EPSILON} if kind == "gran" else {}
    return critics.build(config.Critic(kind=kind, **options), D)


def images(n: int) -> Tensor:
    return torch.randn(n, 1, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("activation", [nn.LeakyReLU(0.2), nn.Softplus()])
@pytest.mark.parametrize("kind", NORMALIZED)
def test_every_formula_agrees_with_its_slow_twin(kind: CriticName, activation: nn.Module) -> None:
    D, x = two_layers(activation), images(6)
    expected = [critics_twin.normalized(kind, D, image, TAU, EPSILON) for image in x]
    assert critic_of(kind, D)(x).tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("activation", [nn.LeakyReLU(0.2), nn.ELU(), nn.Softplus()])
@pytest.mark.parametrize("kind", NORMALIZED)
def test_training_differentiates_through_the_formula(kind: CriticName, activation: nn.Module) -> None:
    """By every weight and pixel the gradient is that of h, its denominator included: central differences."""
    D = two_layers(activation)
    critic = critic_of(kind, D)
    x = images(3).requires_grad_()
    assert_gradients_are_slopes(critic, x)


@pytest.mark.parametrize("activation", [nn.LeakyReLU(0.2), nn.Softplus()])
@pytest.mark.parametrize("kind", NORMALIZED)
def test_the_gradient_that_penalties_see_is_that_of_h(kind: CriticName, activation: nn.Module) -> None:
    critic, x = critic_of(kind, two_layers(activation)), images(4)
    for image, gradient in zip(x, critic.gradient(x), strict=True):
        expected = critics_twin.gradient(critic, image)
        assert gradient.flatten().tolist() == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("kind", ["gn", "pgn"])
def test_gn_and_pgn_are_no_steeper_than_one_and_as_steep_as_theorem_6_says(kind: CriticName) -> None:
    D, x = two_layers(nn.LeakyReLU(0.2)), images(32)
    norms = critic_of(kind, D).gradient(x).flatten(1).norm(dim=1)
    assert norms.max() <= 1
    f = D(x) if kind == "gn" else 1 - D(x)
    raw = critic_of("raw", D).gradient(x).flatten(1).norm(dim=1)
    assert torch.allclose(norms, (raw / (raw + f.abs())).square(), rtol=1e-12)


def test_the_steepness_of_gran_keeps_its_distance_from_k() -> None:
    D, x = two_layers(nn.ReLU()), images(32)
    for epsilon in (1e-2, 1e-8):
        critic = critics.build(config.Critic(kind="gran", tau=TAU, epsilon=epsilon), D)
        norms = critic.gradient(x).flatten(1).norm(dim=1)
        raw = critics.RawCritic(D).gradient(x).flatten(1).norm(dim=1)
        distance = (1 / TAU) * epsilon / (raw.square() + epsilon)
        assert torch.allclose(1 / TAU - norms, distance, rtol=1e-6, atol=1e-12)


def test_pgn_is_gn_of_one_minus_f() -> None:
    D, x = two_layers(nn.LeakyReLU(0.2)), images(32)
    f, gradient = D(x), critics.RawCritic(D).gradient(x)
    pgn, _ = normalize(penalty_gradient_normalization, f, gradient)
    gn, _ = normalize(gradient_normalization, 1 - f, -gradient)
    assert torch.equal(pgn, gn)


def test_pgn_as_published_is_not_bounded_by_one() -> None:
    """A linear critic whose gradient is nearly the all-ones image is 71 times as steep as PGN at f = 1."""
    D = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False), nn.Flatten(0)).double()
    with torch.no_grad():
        D[1].weight.fill_(71 / 70)
    on_the_plane = torch.full((1, 1, 2, 2), 70 / 71 / 4, dtype=torch.float64)
    assert critic_of("pgn-code", D).gradient(on_the_plane).norm().item() == pytest.approx(71)
    assert critic_of("pgn", D).gradient(on_the_plane).norm().item() == pytest.approx(1)


def test_pgn_as_published_is_a_softsign_while_f_is_small() -> None:
    pixels = 3 * 32 * 32
    f = torch.linspace(-2, 2, 5, dtype=torch.float64)
    gradient = 1e-3 * torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    h, _ = normalize(penalty_gradient_normalization_as_published, f, gradient)
    assert torch.allclose(h, (1 - f) / (pixels**0.5 + (1 - f).abs()), rtol=1e-4)


def test_hinge_and_wasserstein_are_one_loss_under_gn() -> None:
    D, x = two_layers(nn.LeakyReLU(0.2)), images(32)
    h = critic_of("gn", D)(x)
    hinge, wasserstein = (LOSSES[name].discriminator(h[:16], h[16:]) for name in ("hinge", "wasserstein"))
    assert hinge.item() == pytest.approx(wasserstein.item() + 2)
    gradients = [
        torch.autograd.grad(loss, [*D.parameters()], retain_graph=True) for loss in (hinge, wasserstein)
    ]
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-15) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("formula", "f", "gradient"),
    [
        (gradient_normalization, 0.0, 0.0),
        (gradient_normalization_0, 0.0, 0.0),
        (penalty_gradient_normalization, 1.0, 0.0),
        (penalty_gradient_normalization_as_published, 1.0, 1.0),
        (piecewise_gradient_normalization(1.0, 0.0), 3.0, 0.0),
    ],
)
def test_zero_by_zero_is_zero_passes_no_gradient_and_is_counted(formula, f: float, gradient: float) -> None:  # type: ignore[no-untyped-def]
    score = torch.tensor([f, 2.0], requires_grad=True)
    slopes = torch.stack([torch.full((1, 2, 2), gradient), torch.full((1, 2, 2), 0.5)]).requires_grad_()
    h, undefined = normalize(formula, score, slopes)
    assert h[0] == 0
    assert h[1] != 0
    assert undefined == 1
    backward(h.sum())
    assert score.grad is not None
    assert slopes.grad is not None
    assert score.grad[0] == 0
    assert slopes.grad[0].eq(0).all()
    assert slopes.grad.isfinite().all()


def test_gn_0_is_infinite_where_the_critic_is_flat() -> None:
    h, undefined = normalize(gradient_normalization_0, torch.tensor([2.0]), torch.zeros(1, 1, 2, 2))
    assert h.isposinf().all()
    assert undefined == 0


def test_what_is_not_a_number_is_not_hidden() -> None:
    D = two_layers(nn.ReLU())
    with torch.no_grad():
        D[1].weight[0, 0] = float("nan")
    assert GradientNormalizedCritic(D)(images(3)).isnan().all()
