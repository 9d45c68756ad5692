import math

import pytest
import torch

from tests.reference import lipschitz_twin
from tests.trainer.probes.test_gradient_norms import piecewise_linear
from trainer.critics import GradientNormalizedCritic
from trainer.probes.lipschitz_constant import highest, lipschitz_constant


def test_it_is_the_steepest_of_all_samples_in_whatever_batches_they_come() -> None:
    critic = GradientNormalizedCritic(piecewise_linear().double())
    images = torch.randn(7, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = lipschitz_twin.lipschitz_constant(critic, images)
    for size in (1, 3, 7):
        found = lipschitz_constant(critic, torch.split(images, size))
        assert found.item() == pytest.approx(expected, rel=1e-5)
    assert expected <= 1


def test_one_nan_is_seen_and_does_not_end_the_running_maximum() -> None:
    D = piecewise_linear()
    images = torch.randn(2, 1, 8, 8)
    images[1] = math.nan
    assert lipschitz_constant(D, torch.split(images, 1)).isnan()
    assert highest(torch.tensor(2.0), torch.tensor(math.nan)) == 2
    assert highest(torch.tensor(math.nan), torch.tensor(1.0)) == 1
    assert highest(torch.tensor(2.0), torch.tensor(3.0)) == 3


def test_without_images_there_is_none() -> None:
    with pytest.raises(ValueError, match="holds no images"):
        lipschitz_constant(piecewise_linear(), [])
