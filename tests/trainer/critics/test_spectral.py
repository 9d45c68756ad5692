import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.nn.utils.parametrizations import spectral_norm

from tests.trainer.critics.discriminators import discriminator
from trainer import config, critics
from trainer.critics.spectral import SpectralNorm, normalize_spectrally


def kernel(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(5, 7), (6, 3, 3, 3), (1, 4)])
def test_the_norm_agrees_with_an_exact_svd(shape: tuple[int, ...]) -> None:
    weight = kernel(*shape)
    norm = SpectralNorm(weight, iterations=200)
    assert torch.allclose(norm(weight) * torch.linalg.matrix_norm(weight.flatten(1), 2), weight, rtol=1e-9)


def test_it_is_that_of_the_framework() -> None:
    torch.manual_seed(0)  # where the two largest singular values are near, 100 iterations are too few
    ours, theirs = nn.Conv2d(3, 5, 3).double(), nn.Conv2d(3, 5, 3).double()
    theirs.load_state_dict(ours.state_dict())
    normalize_spectrally(ours, iterations=100)
    spectral_norm(theirs, n_power_iterations=100)
    x = kernel(2, 3, 6, 6)
    backward(ours(x).square().sum())
    backward(theirs(x).square().sum())
    assert torch.allclose(ours(x), theirs(x), rtol=1e-8)
    of_ours, of_theirs = (
        layer.get_parameter("parametrizations.weight.original").grad for layer in (ours, theirs)
    )
    assert of_ours is not None
    assert of_theirs is not None
    assert torch.allclose(of_ours, of_theirs, rtol=1e-6, atol=1e-9)


def test_vectors_follow_a_moving_weight_in_training_and_rest_in_eval_mode() -> None:
    layer = nn.Linear(6, 4).double()
    normalize_spectrally(layer, iterations=1)
    parametrization = layer.get_submodule("parametrizations.weight.0")
    assert isinstance(parametrization, SpectralNorm)
    with torch.no_grad():
        layer.get_parameter("parametrizations.weight.original").copy_(kernel(4, 6))
    layer.eval()
    before = parametrization.u.clone()
    assert torch.equal(layer.weight, layer.weight)
    assert torch.equal(parametrization.u, before)
    layer.train()
    for _ in range(200):
        norm = torch.linalg.matrix_norm(layer.weight, 2)
    assert not torch.equal(parametrization.u, before)
    assert norm.item() == pytest.approx(1, rel=1e-6)


def test_two_uses_before_one_backward_do_not_disturb_each_other() -> None:
    layer = nn.Linear(6, 4).double()
    normalize_spectrally(layer, iterations=1)
    first, second = layer(kernel(2, 6)), layer(kernel(3, 6))
    backward(first.sum() + second.sum())


def test_a_critic_promises_one_over_tau_and_leaves_the_scores_to_d() -> None:
    D = discriminator("resnet")
    critic = critics.build(config.Critic(kind="sn", tau=2.0), D)
    x = kernel(3, 3, 16, 16)
    D.eval()
    assert torch.equal(critic(x), D(x) / 2)
    assert torch.allclose(critic.gradient(x), critics.RawCritic(D).gradient(x) / 2, rtol=1e-12)
    h, blocks = critic.features(x)
    assert torch.equal(h, D(x) / 2)
    assert blocks
    assert all(
        torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.3
        for layer in D.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    )


def test_its_start_is_the_same_in_every_process_and_draws_nothing() -> None:
    state = torch.get_rng_state()
    first, second = SpectralNorm(kernel(4, 5), 1), SpectralNorm(kernel(4, 5), 1)
    assert torch.equal(first.u, second.u)
    assert torch.equal(torch.get_rng_state(), state)
