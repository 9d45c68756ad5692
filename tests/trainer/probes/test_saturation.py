import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import lipschitz_twin
from trainer.probes.saturation import SIGMOID_MARGIN, Limits, saturated


@given(
    st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=20),
    st.sampled_from([None, 1.0, 3.0]),
    st.sampled_from([None, 1.0, SIGMOID_MARGIN]),
    st.booleans(),
)
def test_shares_equal_the_slow_twin(
    scores: list[float], bound: float | None, margin: float | None, is_real: bool
) -> None:
    share = saturated(torch.tensor(scores, dtype=torch.float64), Limits(bound, margin), is_real=is_real)
    assert share.item() == pytest.approx(lipschitz_twin.saturated(scores, bound, margin, is_real=is_real))


def test_a_bounded_critic_is_flat_at_both_ends_and_a_loss_on_the_samples_own_side() -> None:
    scores = torch.tensor([-0.995, -0.5, 0.5, 0.995])
    assert saturated(scores, Limits(bound=1.0), is_real=True) == 0.5
    assert saturated(scores, Limits(margin=0.9), is_real=True) == 0.25
    assert saturated(2 * scores, Limits(margin=0.9), is_real=False) == 0.5
    assert saturated(scores, Limits(), is_real=True) == 0


def test_beyond_the_sigmoids_margin_the_loss_has_a_hundredth_of_its_slope() -> None:
    score = torch.tensor(SIGMOID_MARGIN, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.nn.functional.softplus(-score), score)
    assert slope.item() == pytest.approx(-0.01)


def test_nan_is_beyond_no_limit() -> None:
    assert saturated(torch.tensor([math.nan, 5.0]), Limits(1.0, 1.0), is_real=True) == 0.5


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="margin = -1"):
        Limits(margin=-1)
