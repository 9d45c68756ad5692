"""Every figure against its slow twin, and where its value is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.reference import fidelity_twin as twin
from trainer.fidelity import figures
from trainer.fidelity.figures import (
    Real,
    frechet_distance,
    inception_score,
    kernel_distance,
    moments,
    precision_recall,
    subset_size,
)

CPU = torch.device("cpu")


def gaussian(n: int, d: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(d, d, generator=torch.Generator().manual_seed(99)) / d**0.5
    return (torch.randn(n, d, generator=generator) * scale + shift) @ mixed


def real(features: Tensor) -> Real:
    return Real(len(features), moments(features), features)


@pytest.mark.parametrize("n", [1000, 1003])
def test_inception_score_is_its_twin(n: int) -> None:
    logits = gaussian(n, 10, 0, scale=3)
    found = inception_score(logits, Real(0, None, None), CPU)
    order = np.random.RandomState(2020).permutation(n)  # torch-fidelity's own
    mean, sd = twin.inception_score(logits.double().numpy(), 10, order)
    assert found["mean"] == pytest.approx(mean, rel=1e-9)
    assert found["sd"] == pytest.approx(sd, rel=1e-6)


def test_inception_score_is_1_for_one_class_and_the_number_of_classes_for_all_alike() -> None:
    one = torch.zeros(100, 10)
    one[:, 3] = 50.0
    assert inception_score(one, Real(0, None, None), CPU)["mean"] == pytest.approx(1.0)
    generator = np.random.RandomState(2020)
    each = torch.empty(100, 10)
    each[generator.permutation(100)] = torch.eye(10).repeat(10, 1) * 50.0
    assert inception_score(each, Real(0, None, None), CPU)["mean"] == pytest.approx(10.0)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_frechet_distance_is_its_twin(shift: float) -> None:
    a, b = gaussian(400, 16, 1, shift, 1.5), gaussian(500, 16, 2)
    found = frechet_distance(a, real(b), CPU)["mean"]
    expected = twin.frechet_distance(a.double().numpy(), b.double().numpy())
    assert found == pytest.approx(expected, rel=1e-5)  # its means are of float32


def test_frechet_distance_of_gaussians_is_the_closed_form() -> None:
    """Of N(0, I) and N(s, c^2 I) in d dimensions: d (s^2 + (c - 1)^2)."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(200_000, 4, generator=generator)
    b = torch.randn(200_000, 4, generator=generator) * 2 + 3
    assert frechet_distance(a, real(b), CPU)["mean"] == pytest.approx(4 * (9 + 1), rel=0.01)
    assert abs(frechet_distance(b, real(b), CPU)["mean"]) < 1e-4


def test_kernel_distance_is_its_twin_where_the_subset_is_the_whole_set() -> None:
    a, b = gaussian(60, 8, 1, 0.3), gaussian(60, 8, 2)
    found = kernel_distance(a, real(b), CPU)
    expected = twin.kernel_distance(a.double().numpy(), b.double().numpy())
    assert found["mean"] == pytest.approx(expected, rel=1e-4)
    assert found["sd"] < 1e-6


def test_kernel_distance_of_equal_distributions_is_0_within_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(figures, "SUBSET_SIZE", 100)
    found = kernel_distance(gaussian(400, 8, 1), real(gaussian(400, 8, 2)), CPU)
    assert abs(found["mean"]) < found["sd"]
    assert found["sd"] > 0


def test_subsets_are_a_thousand_unless_there_are_fewer_images() -> None:
    assert [subset_size(*n) for n in ((50_000, 50_000), (300, 50_000), (2000, 70))] == [1000, 300, 70]


@pytest.mark.parametrize("shift", [0.0, 1.0, 4.0])
def test_precision_and_recall_are_their_twins(shift: float) -> None:
    a, b = gaussian(150, 6, 1, shift, 0.5), gaussian(200, 6, 2)
    found = precision_recall(a, real(b), CPU)
    precision, recall = twin.precision_recall(a.double().numpy(), b.double().numpy(), 3)
    assert (found["precision"], found["recall"]) == (pytest.approx(precision), pytest.approx(recall))


def test_a_generator_of_few_modes_has_precision_without_recall() -> None:
    b = gaussian(500, 4, 2)
    of_a_small_part = b[:4].repeat(50, 1) + 0.01 * gaussian(200, 4, 3)
    found = precision_recall(of_a_small_part, real(b), CPU)
    assert found["precision"] > 0.9
    assert found["recall"] < 0.2
