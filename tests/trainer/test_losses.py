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


def test_hinge_is_wasserstein_plus_two_where_the_critic_is_bounded_by_one() -> None:
    """As under GN and PGN; beyond 1 the hinge lets go of a sample, and Wasserstein does not."""
    hinge, wasserstein = LOSSES["hinge"], LOSSES["wasserstein"]
    real, fake = scores(2, 32).tanh(), scores(3, 32).tanh()
    for h in (real, fake):
        h[0], h[1] = -1, 1
    expected = wasserstein.discriminator(real, fake) + 2
    assert hinge.discriminator(real, fake).item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.equal(hinge.generator(fake), wasserstein.generator(fake))
    assert hinge.discriminator(2 * real, fake) > wasserstein.discriminator(2 * real, fake) + 2


def test_hinge_and_wasserstein_have_equal_gradients_where_the_critic_is_bounded_by_one() -> None:
    real, fake = (scores(seed, 32).tanh().requires_grad_() for seed in (4, 5))
    of_hinge, of_wasserstein = (
        torch.autograd.grad(LOSSES[name].discriminator(real, fake), [real, fake])
        for name in ("hinge", "wasserstein")
    )
    assert all(torch.equal(a, b) for a, b in zip(of_hinge, of_wasserstein, strict=True))
