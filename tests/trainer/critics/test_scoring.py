from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward

from tests.reference.critics_twin import gradient_norm, gradient_normalized
from tests.trainer.critics.slopes import assert_gradients_are_slopes
from trainer.critics import GradientNormalizedCritic, RawCritic
from trainer.critics.normalizations import gradient_normalization, normalize
from trainer.errors import ConfigError
from trainer.networks import initialize, small


def discriminator(dtype: torch.dtype = torch.float64) -> small.Discriminator:
    torch.manual_seed(0)
    return small.Discriminator(width=3, size=8, channels=1, norm="none").to(dtype)


def images(n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1


def test_the_raw_critic_is_the_discriminator() -> None:
    D, x = discriminator(), images(5)
    assert torch.equal(RawCritic(D)(x), D(x))


def test_gradient_normalization_agrees_with_its_slow_twin() -> None:
    D, x = discriminator(), images(6)
    h = GradientNormalizedCritic(D)(x)
    expected = [gradient_normalized(D, image) for image in x]
    assert h.tolist() == pytest.approx(expected, rel=1e-6)


def test_every_sample_is_scored_on_its_own() -> None:
    critic, x = GradientNormalizedCritic(discriminator()), images(6)
    together = critic(x)
    alone = torch.cat([critic(image[None]) for image in x])
    assert torch.allclose(together, alone, rtol=1e-12, atol=0)


def test_a_normalized_critic_is_no_steeper_than_one_and_as_steep_as_theorem_6_says() -> None:
    D, x = discriminator(), images(6)
    critic = GradientNormalizedCritic(D)
    for image in x:
        norm, f = gradient_norm(D, image), D(image[None]).item()
        steepness = gradient_norm(critic, image)
        assert steepness <= 1
        assert steepness == pytest.approx((norm / (norm + abs(f))) ** 2, rel=1e-5)


def test_scores_stay_in_bounds_and_do_not_feel_the_scale_of_the_discriminator() -> None:
    D, x = discriminator(), images(32)
    before = GradientNormalizedCritic(D)(x)
    last = D.score[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(1000)
    assert torch.allclose(GradientNormalizedCritic(D)(x), before, rtol=1e-10)
    assert before.abs().max() < 1


def test_training_differentiates_through_the_normalizer() -> None:
    """By every weight and every pixel, the gradient is that of h, its denominator included."""
    torch.manual_seed(0)
    D = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Softplus(), nn.Linear(5, 1), nn.Flatten(0)).double()
    critic = GradientNormalizedCritic(D)
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    assert_gradients_are_slopes(critic, x)


def test_a_generator_is_trained_through_it() -> None:
    critic = GradientNormalizedCritic(discriminator().requires_grad_(False))
    fake = images(4).requires_grad_()
    backward(critic(fake).sum())
    assert fake.grad is not None
    assert fake.grad.flatten(1).norm(dim=1).gt(0).all()


def test_a_sample_without_a_score_gets_zero_passes_no_gradient_and_is_counted() -> None:
    D = discriminator()
    initialize(D, "dcgan")
    with torch.no_grad():
        for layer in D.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.zero_()
    critic = GradientNormalizedCritic(D)
    h = critic(images(7))
    assert h.tolist() == [0.0] * 7
    assert critic.undefined == 7
    backward(h.sum())
    assert all(parameter.grad is None or parameter.grad.eq(0).all() for parameter in D.parameters())
    critic(images(3))
    assert critic.undefined == 10


def test_a_flat_spot_with_a_value_is_scored_by_its_sign() -> None:
    f = torch.tensor([2.0, -3.0, 0.0], requires_grad=True)
    h, undefined = normalize(gradient_normalization, f, torch.zeros(3, 1, 2, 2))
    assert h.tolist() == [1.0, -1.0, 0.0]
    assert undefined == 1
    backward(h.sum())
    assert f.grad is not None
    assert f.grad.isfinite().all()


def test_norms_are_taken_in_float32_though_the_discriminator_is_narrower() -> None:
    assert (
        GradientNormalizedCritic(discriminator(torch.bfloat16))(images(4, torch.bfloat16)).dtype
        == torch.float32
    )
    steep = torch.full((1, 300), 256.0, dtype=torch.float16)  # the squares are beyond float16
    score, undefined = normalize(gradient_normalization, torch.ones(1, dtype=torch.float16), steep)
    assert score.item() == pytest.approx(1 / (256 * 300**0.5 + 1), rel=1e-6)
    assert undefined == 0


@pytest.mark.parametrize(
    "norm", [partial(nn.BatchNorm2d, 3), partial(nn.SyncBatchNorm, 3), partial(nn.BatchNorm1d, 3)]
)
def test_batch_norm_in_the_discriminator_is_refused_by_its_name(norm: partial[nn.Module]) -> None:
    D = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Sequential(norm()), nn.Flatten())
    with pytest.raises(ConfigError, match=r"layer '1\.0' of the discriminator"):
        GradientNormalizedCritic(D)


def test_norms_that_keep_to_one_sample_are_allowed() -> None:
    GradientNormalizedCritic(nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.LayerNorm([4, 6, 6])))
