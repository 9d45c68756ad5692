import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tests.reference import lipschitz_twin
from trainer.probes.layer_lipschitz import (
    ITERATIONS,
    layer_lipschitz,
    measured_layers,
    operator_norm,
)


def images(n: int = 3, channels: int = 2, side: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, side, side, dtype=torch.float64, generator=generator) * 2 - 1


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(20, 7), (20,)),
        (nn.Linear(3, 2, bias=False), (3,)),
        (nn.Conv2d(2, 5, 3, padding=1), (2, 6, 6)),
        (nn.Conv2d(2, 5, 4, stride=2, padding=1, padding_mode="reflect"), (2, 6, 6)),
        (nn.Conv2d(4, 6, 3, groups=2, dilation=2), (4, 7, 7)),
        (nn.ConvTranspose2d(3, 2, 4, stride=2), (3, 4, 4)),
        (nn.Conv1d(2, 3, 5), (2, 30)),
    ],
)
def test_the_norm_of_a_layer_is_that_of_the_matrix_it_is(layer: nn.Module, shape: tuple[int, ...]) -> None:
    like = torch.zeros(2, *shape, dtype=torch.float64)
    found = operator_norm(layer.double(), like, iterations=60).item()
    expected = lipschitz_twin.operator_norm(layer, shape)
    assert found == pytest.approx(expected, rel=1e-6)
    usual = operator_norm(layer, like).item()
    assert 0.99 * expected < usual <= expected * (1 + 1e-9)


def test_it_is_not_the_norm_of_the_reshaped_kernel() -> None:
    """A kernel of ones: an image of ones meets all nine weights."""
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    nn.init.ones_(layer.weight)
    assert operator_norm(layer, torch.zeros(1, 1, 9, 9)).item() == pytest.approx(9, rel=1e-5)
    assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2).item() == pytest.approx(3)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Conv2d(2, 2, 3, padding=1)
        self.never_called = nn.Linear(2, 2)
        self.out = nn.Linear(72, 1)
        self.of_labels = nn.Linear(4, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        features = x + self.inside(nn.functional.softplus(x))
        scores: Tensor = self.out(features.flatten(1))
        return scores if y is None else scores + self.of_labels(y)


def test_prefixes_are_the_steepest_whole_jacobians_of_what_leads_to_each_layer() -> None:
    torch.manual_seed(0)
    D = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 3, 3, stride=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(3, 1),
    ).double().eval()  # fmt: skip
    x = images()
    found = layer_lipschitz(D, x, iterations=40)
    ends = [1, 3, 6]
    expected = [lipschitz_twin.steepness(nn.Sequential(*list(D)[:end]), x) for end in ends]
    assert found.prefixes.tolist() == pytest.approx(expected, rel=1e-6)
    assert list(measured_layers(D)) == ["0", "2", "5"]
    shapes = [(2, 6, 6), (4, 4, 4), (3,)]
    layers = [D[0], D[2], D[5]]
    norms = [lipschitz_twin.operator_norm(*pair) for pair in zip(layers, shapes, strict=True)]
    assert found.layers.tolist() == pytest.approx(norms, rel=1e-6)
    usual = layer_lipschitz(D, x, iterations=ITERATIONS).prefixes
    assert usual.tolist() == pytest.approx(expected, rel=0.01)


def test_an_activation_in_place_is_no_part_of_the_layer_before_it() -> None:
    def D(*, inplace: bool) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(2, 4, 3), nn.LeakyReLU(0.2, inplace), nn.Flatten(), nn.Linear(64, 1))

    in_place, apart = (layer_lipschitz(D(inplace=inplace).double(), images()) for inplace in (True, False))
    assert torch.equal(in_place.prefixes, apart.prefixes)
    assert torch.equal(in_place.layers, apart.layers)


def test_branches_smooth_activations_and_labels_are_as_they_are_in_the_forward_pass() -> None:
    torch.manual_seed(0)
    D = Residual().double()
    x, y = images(), torch.randn(3, 4, dtype=torch.float64)
    found = layer_lipschitz(D, x, lambda images: D(images, y))
    assert list(measured_layers(D)) == ["inside", "never_called", "out", "of_labels"]
    inside, never, out, of_labels = found.prefixes.tolist()
    assert inside == pytest.approx(
        lipschitz_twin.steepness(lambda x: D.inside(nn.functional.softplus(x)), x), rel=1e-3
    )
    assert out == pytest.approx(lipschitz_twin.steepness(D, x), rel=1e-9)
    assert math.isnan(never)
    assert math.isnan(found.layers[1].item())
    assert of_labels == 0
    assert found.layers[3].item() == pytest.approx(D.of_labels.weight.norm().item())


def orthogonal_stack(make: Callable[[int, int], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(5):
        layers += [make(36, 36), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(36, 1))


def test_with_every_layer_at_norm_1_prefixes_fall_with_depth_and_without_they_are_free() -> None:
    x = images(8, channels=1)
    held = orthogonal_stack(lambda a, b: spectral_norm(nn.Linear(a, b, bias=False), n_power_iterations=30))
    falling = layer_lipschitz(held.double().eval(), x).prefixes[:-1]
    assert bool((falling.diff() <= 1e-6).all())
    assert bool((falling <= 1 + 1e-3).all())

    free = orthogonal_stack(lambda a, b: nn.Linear(a, b, bias=False))
    with torch.no_grad():
        for parameter in free.parameters():
            parameter.mul_(4)
    assert bool((layer_lipschitz(free.double().eval(), x).prefixes[:-1].diff() > 0).any())


def test_dead_and_broken_layers_are_0_and_nan() -> None:
    D = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 1))
    nn.init.constant_(D[0].bias, -100)
    D.double()
    assert layer_lipschitz(D, images()).prefixes[1] == 0
    with torch.no_grad():
        D[3].weight[0, 0] = math.nan
    assert layer_lipschitz(D, images()).layers[1].isnan()


def test_no_hook_stays_and_no_gradient_is_left() -> None:
    D = Residual().double()
    layer_lipschitz(D, images())
    assert not any(module._forward_hooks for module in D.modules())
    assert all(parameter.grad is None for parameter in D.parameters())
