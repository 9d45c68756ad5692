import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.reference import lipschitz_twin
from tests.trainer.probes.test_gradient_norms import piecewise_linear
from trainer.critics import GradientNormalizedCritic
from trainer.probes.finite_differences import DELTAS, finite_differences
from trainer.probes.gradient_norms import gradient_norms


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 4, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, 1, 8, 8, dtype=dtype, generator=drawn()) * 2 - 1


@pytest.mark.parametrize("normalized", [False, True])
def test_differences_equal_the_slow_twin_one_sample_and_length_at_a_time(normalized: bool) -> None:
    D = piecewise_linear().double()
    critic: Callable[[Tensor], Tensor] = GradientNormalizedCritic(D) if normalized else D
    x = images()
    found = finite_differences(critic, x, DELTAS, drawn())
    for delta, values in zip(DELTAS, found.values, strict=True):
        expected = [lipschitz_twin.difference(critic, image, delta) for image in x]
        assert values.tolist() == pytest.approx(expected, rel=1e-5), delta


def test_a_linear_critic_is_as_steep_far_away_as_here() -> None:
    w = torch.randn(1, 8, 8, dtype=torch.float64, generator=drawn())
    found = finite_differences(lambda x: (x * w).flatten(1).sum(1), images(), DELTAS, drawn())
    assert torch.allclose(found.values, w.norm().expand_as(found.values))


def test_short_ways_are_as_steep_as_the_gradient() -> None:
    critic = GradientNormalizedCritic(piecewise_linear().double())
    x = images(16)
    found = finite_differences(critic, x, [1e-6], drawn())
    assert found.values[0].tolist() == pytest.approx(gradient_norms(critic, x).tolist(), rel=1e-4)


def test_a_gradient_normalized_critic_jumps_where_the_pattern_of_its_units_changes() -> None:
    """f = 1 + relu(x): its gradient's norm leaps from 0 to 1 at 0, and h from 1 to 1/2 with it."""

    class Kink(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 + nn.functional.relu(x).flatten(1).sum(1) + 1e-3 * x.flatten(1).sum(1)

    critic = GradientNormalizedCritic(Kink())
    x = torch.full((1, 1, 1, 1), -1e-3, dtype=torch.float64)
    found = finite_differences(critic, x, [0.01], drawn())
    assert gradient_norms(critic, x) < 1
    assert found.values.item() > 40


def test_where_there_is_no_gradient_the_way_is_random_and_the_sample_counted() -> None:
    def plateau(x: Tensor) -> Tensor:
        return nn.functional.relu(x.flatten(1).norm(dim=1) - 4) * 3

    x = images() * 1e-3
    x[0] = 1.0
    found = finite_differences(plateau, x, [0.1, 8.0], drawn())
    assert found.is_flat.tolist() == [False, True, True, True]
    # Every way of length 8 leaves the plateau after 4, and climbs 12 on the rest.
    assert found.values[1, 1:].tolist() == pytest.approx([1.5] * 3, rel=1e-3)
    assert found.values[0, 1:].tolist() == [0.0] * 3
    assert found.floor[1:].isinf().all()


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_from_the_floor_on_float32_is_good_to_one_percent(scale: float) -> None:
    """``scale`` makes the critic flat beside its score, and the floor high."""
    torch.manual_seed(0)
    D = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 1)
    )
    offset = 1 - scale

    def score(x: Tensor) -> Tensor:
        scores: Tensor = D.to(x.dtype)(x)
        return offset + scale * scores.flatten()

    x = images(64, torch.float32)
    floor = finite_differences(score, x, [1.0], drawn()).floor.quantile(0.5).item()
    measured = finite_differences(score, x, [floor, floor / 100], drawn()).values
    exact = finite_differences(score, x.double(), [floor, floor / 100], drawn()).values
    error = ((measured - exact).abs() / exact).quantile(0.5, dim=1)
    assert error[0] < 0.01
    assert error[1] > 0.01
    assert floor == pytest.approx(1e-4 / scale, rel=9)


def test_nan_is_nan() -> None:
    found = finite_differences(lambda x: x.flatten(1).sum(1) * math.nan, images(), DELTAS, drawn())
    assert bool(found.values.isnan().all())
