import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from monitor import protocol
from tests.reference import critics_twin, distribution_twin
from trainer.critics import GradientNormalizedCritic
from trainer.critics.normalizations import piecewise_gradient_normalization
from trainer.probes.gradient_norms import distribution, gradient_norms, loss_gradient_norms
from trainer.probes.recorder import DISTRIBUTION_FIELDS


def piecewise_linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * 36, 1), nn.Flatten(0)
    )


def smooth(x: Tensor) -> Tensor:
    return (x**3).flatten(1).sum(1) + x.flatten(1).prod(1)


@pytest.mark.parametrize("critic", [piecewise_linear().double(), smooth])
def test_norms_equal_central_differences_pixel_by_pixel(critic: Callable[[Tensor], Tensor]) -> None:
    images = torch.randn(4, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = [critics_twin.gradient_norm(critic, image) for image in images]
    assert gradient_norms(critic, images).tolist() == pytest.approx(expected, rel=1e-6)


def test_of_a_linear_critic_the_norm_is_that_of_its_weights() -> None:
    w = torch.randn(3, 4, 4)
    norms = gradient_norms(lambda x: (x * w).flatten(1).sum(1, keepdim=True), torch.randn(5, 3, 4, 4))
    assert norms.tolist() == pytest.approx([w.norm().item()] * 5, rel=1e-6)


def test_a_gradient_normalized_critic_has_the_norm_of_theorem_6() -> None:
    """|grad h| = (|grad f| / (|grad f| + |f|))^2 where f is piecewise linear: not around the normalizer."""
    D = piecewise_linear()
    images = torch.randn(16, 1, 8, 8)
    of_f = gradient_norms(D, images)
    f = D(images).detach().abs()
    of_h = gradient_norms(GradientNormalizedCritic(D), images)
    assert of_h.tolist() == pytest.approx(((of_f / (of_f + f)) ** 2).tolist(), rel=1e-4)
    assert of_h.max() <= 1 + 1e-6


def test_under_gran_the_norm_is_its_constant_as_far_as_epsilon_lets_it() -> None:
    D = piecewise_linear().double()
    images = torch.randn(16, 1, 8, 8, dtype=torch.float64)
    squares = gradient_norms(D, images) ** 2
    tau, epsilon = 0.5, 1e-9
    found = gradient_norms(
        GradientNormalizedCritic(D, piecewise_gradient_normalization(tau, epsilon)), images
    )
    assert found.tolist() == pytest.approx((squares / (squares + epsilon) / tau).tolist(), rel=1e-9)
    assert found.tolist() == pytest.approx([1 / tau] * 16, rel=1e-6)


def test_the_push_of_a_loss_is_its_slope_times_the_critics_however_the_loss_is_given() -> None:
    h, norms = torch.tensor([-2.0, 0.0, 3.0]), torch.tensor([1.0, 2.0, 4.0])
    expected = (torch.sigmoid(-h) * norms).tolist()
    of_mean = loss_gradient_norms(lambda h: softplus(-h).mean(), h, norms)
    of_each = loss_gradient_norms(lambda h: softplus(-h), h, norms)
    assert of_mean.tolist() == pytest.approx(expected)
    assert of_each.tolist() == pytest.approx(expected)


def test_a_score_for_each_patch_counts_as_their_sum() -> None:
    x = torch.randn(3, 1, 4, 4)
    assert gradient_norms(lambda x: 2 * x, x).tolist() == pytest.approx([8.0] * 3)


def test_a_sample_whose_score_is_nan_has_no_norm_though_a_gradient_came_back() -> None:
    images = torch.randn(2, 1, 8, 8)
    images[1] = math.nan
    first, second = gradient_norms(piecewise_linear(), images)
    assert first.isfinite()
    assert second.isnan()


@torch.no_grad()
def test_no_gradient_of_the_loop_is_touched_even_where_gradients_are_off() -> None:
    D = piecewise_linear()
    for parameter in D.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    images = torch.randn(2, 1, 8, 8, requires_grad=True)
    norms = gradient_norms(D, images)
    assert not norms.requires_grad
    assert images.grad is None
    assert all(bool((p.grad == 7).all()) for p in D.parameters() if p.grad is not None)
    assert not torch.is_grad_enabled()


def test_norms_are_float32_under_autocast_and_for_half_images() -> None:
    D = piecewise_linear()
    images = torch.randn(2, 1, 8, 8)
    expected = gradient_norms(D, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(gradient_norms(D, images), expected)
    assert gradient_norms(D, images.bfloat16()).dtype == torch.float32


def test_a_critic_that_is_not_finite_has_no_norm() -> None:
    norms = gradient_norms(lambda x: x.flatten(1).sum(1) * math.nan, torch.randn(3, 1, 2, 2))
    assert bool(norms.isnan().all())
    assert bool(distribution(norms)[:-1].isnan().all())
    assert distribution(norms)[-1] == 3


@pytest.mark.parametrize("n", [1, 2, 64, 101])
def test_a_distribution_equals_its_slow_twin(n: int) -> None:
    values = torch.randn(n, generator=torch.Generator().manual_seed(n))
    measured = dict(zip(DISTRIBUTION_FIELDS, distribution(values).tolist(), strict=True))
    assert measured == pytest.approx(
        distribution_twin.distribution(values.double().tolist()), rel=1e-12, abs=1e-12
    )


def test_the_fields_are_those_of_the_wire() -> None:
    assert DISTRIBUTION_FIELDS == protocol.DISTRIBUTION_FIELDS
