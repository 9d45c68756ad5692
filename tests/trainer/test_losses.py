import pytest
import torch
from torch import Tensor

from tests.reference.losses_twin import discriminator_loss, generator_loss
from trainer.config import LossName
from trainer.losses import LOSSES


def scores(seed: int, n: int) -> Tensor:
    return 5 * torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_what_its_paper_prints(name: LossName) -> None:
    real, fake = scores(0, 64), scores(1, 48)
    loss = LOSSES[name]
    assert loss.discriminator(real, fake).item() == pytest.approx(
        discriminator_loss(name, real.tolist(), fake.tolist()), rel=1e-12
    )
    assert loss.generator(fake).item() == pytest.approx(generator_loss(name, fake.tolist()), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_the_generator_gains_where_the_critic_is_taken_in(name: LossName) -> None:
    generator = LOSSES[name].generator
    assert generator(torch.tensor([0.9])) < generator(torch.tensor([-0.9]))


@pytest.mark.parametrize("name", LOSSES)
def test_the_discriminator_gains_where_it_tells_real_from_fake(name: LossName) -> None:
    discriminator = LOSSES[name].discriminator
    high, low = torch.tensor([0.9]), torch.tensor([-0.1])
    assert discriminator(high, low) < discriminator(low, high)


def test_the_non_saturating_loss_survives_scores_that_overflow_an_exponential() -> None:
    loss = LOSSES["ns"]
    assert loss.generator(torch.tensor([-1e4])) == 1e4
    assert loss.discriminator(torch.tensor([1e4]), torch.tensor([-1e4])) == 0
