import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import diversity_twin
from trainer.probes.diversity import james_stein_entropy

counts_of_any_kind = st.lists(
    st.one_of(st.integers(0, 5), st.integers(0, 1000), st.sampled_from([0, 1, 10**6, 10**9])),
    min_size=1,
    max_size=30,
).filter(any)


@settings(deadline=None)
@given(counts_of_any_kind, st.integers(0, 200))
def test_diversity_agrees_with_sixty_digits_over_random_and_extreme_counts(
    counts: list[int], unseen: int
) -> None:
    m = max(2, len(counts) + unseen)
    D = james_stein_entropy(counts, m)
    assert D.entropy == pytest.approx(diversity_twin.entropy(counts, m), abs=1e-9, rel=1e-9)
    assert D.shrinkage == pytest.approx(float(diversity_twin.shrinkage(counts, m)), abs=1e-9)
    assert 0 <= D.shrinkage <= 1
    assert -1e-12 <= D.entropy <= math.log(m) * (1 + 1e-12)
    assert D.share == pytest.approx(D.entropy / math.log(m))
    assert D.modes_seen == sum(count > 0 for count in counts)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=12).filter(lambda counts: sum(counts) > 1),
    st.integers(0, 20),
)
def test_the_standard_error_is_the_jackknife_over_every_sample(counts: list[int], unseen: int) -> None:
    m = max(2, len(counts) + unseen)
    expected = diversity_twin.jackknife(counts, m)
    assert james_stein_entropy(counts, m).standard_error == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "m", "entropy"),
    [
        ([100] * 10, 10, math.log(10)),  # uniform: the denominator is 0
        ([1], 10, math.log(10)),  # one sample says nothing
        ([1000], 10, 0.0),  # one mode, no doubt about it
        ([1] * 50, 10177, math.log(10177)),  # all different: shrunk to the uniform
    ],
)
def test_the_limits_are_exact(counts: list[int], m: int, entropy: float) -> None:
    assert james_stein_entropy(counts, m).entropy == pytest.approx(entropy, abs=1e-12)


def test_modes_without_samples_may_be_left_out_or_given_as_zero() -> None:
    assert james_stein_entropy([3, 0, 7, 0], 4) == james_stein_entropy([7, 3], 4)


def test_a_huge_number_of_modes_costs_nothing() -> None:
    D = james_stein_entropy([5, 3, 2], 10**12)
    assert D.entropy == pytest.approx(D.share * math.log(10**12))
    assert D.modes_seen == 3


def test_without_samples_nothing_is_known() -> None:
    D = james_stein_entropy([0, 0], 10)
    assert math.isnan(D.entropy)
    assert math.isnan(D.standard_error)
    assert D.modes_seen == 0


def test_one_sample_has_no_standard_error() -> None:
    assert math.isnan(james_stein_entropy([1], 10).standard_error)


@pytest.mark.parametrize(("counts", "m"), [([1, 2], 1), ([1, 1, 1], 2), ([-1, 2], 3), ([math.inf], 3)])
def test_counts_that_cannot_be_are_refused(counts: list[int], m: int) -> None:
    with pytest.raises(ValueError):
        james_stein_entropy(counts, m)


def test_the_standard_error_is_about_the_spread_over_repeated_draws() -> None:
    p = np.array([0.3, 0.3, 0.2, 0.1, 0.05, 0.03, 0.01, 0.01, 0.0, 0.0])
    draws = np.random.default_rng(0).multinomial(1000, p, size=300)
    estimates = [james_stein_entropy(counts, 10) for counts in draws]
    spread = np.std([D.entropy for D in estimates])
    assert np.mean([D.standard_error for D in estimates]) == pytest.approx(spread, rel=0.15)
