import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from tests.reference import critics_twin, distribution_twin, lipschitz_twin
from tests.trainer.probes.test_angles import Largest
from trainer import networks
from trainer.critics import GradientNormalizedCritic
from trainer.probes.critic_probes import (
    FiniteDifferences,
    GradientNorms,
    GradientRms,
    LayerLipschitz,
    LipschitzConstant,
)
from trainer.probes.finite_differences import DELTAS
from trainer.probes.probe import Batch, Probe, Subject
from trainer.probes.recorder import DISTRIBUTION_FIELDS
from trainer.probes.sample_grid import Sampler
from trainer.probes.saturation import Limits
from trainer.recipes import RECIPES

PROBES = [GradientNorms, GradientRms, FiniteDifferences, LayerLipschitz, LipschitzConstant]


def drawn(n: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.rand(n, 1, 4, 4, dtype=torch.float64, generator=generator) * 2 - 1)


REAL, FAKE = drawn(6, 0), drawn(5, 1)


def discriminator() -> nn.Sequential:
    torch.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(32, 1), nn.Flatten(0))
    return D.double()


def generator() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))


def subject(**changes: Any) -> Subject:
    D = discriminator()
    return Subject(**{"G": generator(), "D": D, "critic": GradientNormalizedCritic(D), **changes})


def loss(h: Tensor) -> Tensor:
    return softplus(-h).mean()


def assert_distribution(found: Tensor, expected: list[float]) -> None:
    twin = distribution_twin.distribution(expected)
    assert dict(zip(DISTRIBUTION_FIELDS, found.tolist(), strict=True)) == pytest.approx(
        twin, rel=1e-5, abs=1e-9
    )


def test_norms_are_those_of_the_normalized_critic_of_the_raw_one_and_of_the_generators_loss() -> None:
    given = subject(generator_loss=loss, saturation=Limits(margin=0.05))
    found = GradientNorms(given).measure(REAL, FAKE)
    scores: dict[str, Callable[[Tensor], Tensor]] = {
        "gradient_norm": given.critic,
        "gradient_norm_raw": given.D,
    }
    for name, score in scores.items():
        for side, batch in (("real", REAL), ("fake", FAKE)):
            expected = [critics_twin.gradient_norm(score, image) for image in batch.images]
            assert_distribution(found[f"{name}/{side}"], expected)
    pushed = [lipschitz_twin.push(loss, given.critic, image) for image in FAKE.images]
    assert_distribution(found["gradient_norm_loss/fake"], pushed)
    for side, batch in (("real", REAL), ("fake", FAKE)):
        h = [critics_twin.gradient_normalized(given.D, image) for image in batch.images]
        share = lipschitz_twin.saturated(h, None, 0.05, is_real=side == "real")
        assert found[f"saturated/{side}"] == pytest.approx(share)


def test_between_real_and_generated_images_a_linear_slope_lies_between() -> None:
    """|grad h| of h = |x|^2 / 2 is |x|: the interpolated images are known by their length."""

    def bowl(x: Tensor) -> Tensor:
        return x.flatten(1).square().sum(1) / 2

    given = Subject(nn.Identity(), nn.Identity(), bowl)
    real, fake = Batch(torch.ones(9, 1, 4, 4)), Batch(torch.zeros(7, 1, 4, 4))
    probe = GradientNorms(given)
    probe.scores = {"gradient_norm": bowl}
    found = probe.measure(real, fake)["gradient_norm/interpolated"]
    lowest, highest, n = found[0], found[8], found[10]
    assert 0 < lowest < 2 < highest < 4
    assert n == 7
    assert torch.equal(found, probe.measure(real, fake)["gradient_norm/interpolated"])


def test_the_mean_square_of_a_gradients_pixels_is_that_of_the_raw_critic() -> None:
    given = subject()
    found = GradientRms(given).measure(REAL, FAKE)["gradient_rms/real"]
    norms = [critics_twin.gradient_norm(given.D, image) for image in REAL.images]
    assert_distribution(found, [norm / math.sqrt(16) for norm in norms])


def test_finite_differences_are_told_by_side_and_length() -> None:
    given = subject()
    real, fake = REAL.first(3), FAKE.first(2)
    found = FiniteDifferences(given).measure(real, fake)
    for side, batch in (("real", real), ("fake", fake)):
        for delta in DELTAS:
            expected = [lipschitz_twin.difference(given.critic, image, delta) for image in batch.images]
            assert_distribution(found[f"finite_difference/{side}/{delta:g}"], expected)
        assert found[f"finite_difference_flat/{side}"] == 0
        assert 0 < found[f"finite_difference_floor/{side}"] < 1e-6


def test_layers_are_numbered_and_the_whole_is_the_critic() -> None:
    D = discriminator()
    given = subject(D=D, critic=GradientNormalizedCritic(D))
    found = LayerLipschitz(given).measure(REAL, FAKE)
    seen = torch.cat([REAL.images[:4], FAKE.images[:4]])
    assert found["lipschitz/whole"] == pytest.approx(
        max(critics_twin.gradient_norm(given.critic, image) for image in seen), rel=1e-5
    )
    assert found["lipschitz/prefix/2"] == pytest.approx(
        max(critics_twin.gradient_norm(given.D, image) for image in seen), rel=1e-5
    )
    assert found["lipschitz/layer/1"] == pytest.approx(
        lipschitz_twin.operator_norm(D[0], (1, 4, 4)), rel=1e-6
    )
    assert found["lipschitz/product"] == found["lipschitz/layer/1"] * found["lipschitz/layer/2"]


def test_a_discriminator_without_known_layers_has_only_a_whole() -> None:
    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1).sum(1)

    D = Own()
    probe = LayerLipschitz(subject(D=D, critic=D))
    assert probe.measure(REAL, FAKE).keys() == {"lipschitz/whole"} == {s.name for s in probe.series()}


def doubles(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 3, dtype=torch.float64, generator=generator)


def with_images(real: Tensor, seed: int = 0) -> Subject:
    given = subject()
    return Subject(
        given.G.double(),
        given.D,
        given.D,
        sampler=Sampler(given.G, doubles, seed),
        real=real,
    )


def test_the_constant_is_the_steepest_over_the_real_images_and_as_many_samples() -> None:
    real = drawn(66, 2).images
    given = with_images(real)
    assert given.sampler
    found = LipschitzConstant(given).measure(REAL, FAKE)
    images = torch.cat([real, *given.sampler.batches(66)])
    steepest = max(critics_twin.gradient_norm(given.critic, image) for image in images)
    assert found["lipschitz/constant"] == pytest.approx(steepest, rel=1e-5)


def test_without_images_and_latents_and_with_labels_the_last_batches_have_to_do() -> None:
    given = subject()
    expected = max(
        critics_twin.gradient_norm(given.critic, image) for image in torch.cat([REAL.images, FAKE.images])
    )
    found = LipschitzConstant(given).measure(REAL, FAKE)
    assert found["lipschitz/constant"] == pytest.approx(expected, rel=1e-5)

    def conditional(x: Tensor, y: Tensor) -> Tensor:
        return x.flatten(1).sum(1) * y

    labelled = [Batch(batch.images, (torch.full((len(batch.images),), 3.0),)) for batch in (REAL, FAKE)]
    given = Subject(given.G, given.D, conditional, sampler=with_images(REAL.images).sampler, real=REAL.images)
    assert LipschitzConstant(given).measure(*labelled)["lipschitz/constant"] == pytest.approx(12)


def test_the_running_maximum_stays_and_goes_on_from_a_checkpoint() -> None:
    D = discriminator()
    given = subject(D=D, critic=GradientNormalizedCritic(D))
    probe = LipschitzConstant(given)
    probe.rehearse(REAL, FAKE)
    first = probe.measure(REAL, FAKE)
    with torch.no_grad():
        dict(D.named_parameters())["3.bias"].add_(50)
    second = probe.measure(REAL, FAKE)
    assert second["lipschitz/constant"] < first["lipschitz/constant"] == second["lipschitz/constant_max"]
    restored = LipschitzConstant(given)
    restored.load_state_dict(copy.deepcopy(probe.state_dict()))
    assert restored.measure(REAL, FAKE)["lipschitz/constant_max"] == first["lipschitz/constant"]


@pytest.mark.parametrize("kind", PROBES)
def test_a_probe_returns_what_it_declares_and_waits_for_no_number(kind: Callable[[Subject], Probe]) -> None:
    probe = kind(subject(generator_loss=loss, saturation=Limits(bound=1.0)))
    given = {series.name: series for series in probe.series()}
    with Largest() as seen:
        measured = probe.measure(REAL, FAKE)
    assert not seen.has_waited
    assert measured.keys() == given.keys()
    for name, value in measured.items():
        is_distribution = given[name].kind == "distribution"
        assert value.shape == ((11,) if is_distribution else ()), name
        assert given[name].help.endswith("."), name
        assert not value.requires_grad


@pytest.mark.parametrize("kind", PROBES)
def test_nan_from_the_generator_is_nan_and_never_0(kind: Callable[[Subject], Probe]) -> None:
    probe = kind(subject(generator_loss=loss))
    fake = Batch(torch.full_like(FAKE.images, math.nan))
    found = probe.measure(REAL, fake)
    of_fake = [value for name, value in found.items() if "/fake" in name or name == "lipschitz/whole"]
    assert all(value.flatten()[0].isnan() for value in of_fake if value.is_floating_point())


@pytest.mark.parametrize("kind", PROBES)
def test_labels_reach_the_critic_with_their_images(kind: Callable[[Subject], Probe]) -> None:
    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(16, 3)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            assert len(x) == len(y)
            scores: Tensor = self.out(x.flatten(1)).gather(1, y[:, None])
            return scores

    D = Conditional().double()
    real, fake = (Batch(batch.images, (torch.arange(len(batch.images)) % 3,)) for batch in (REAL, FAKE))
    found = kind(subject(D=D, critic=D)).measure(real, fake)
    if "gradient_norm/interpolated" in found:
        expected = [D.out.weight[i % 3].norm().item() for i in range(5)]
        assert_distribution(found["gradient_norm/interpolated"], expected)


@pytest.mark.parametrize("kind", PROBES)
def test_a_rehearsal_leaves_nothing_behind(kind: Callable[[Subject], Probe]) -> None:
    given = subject()
    rehearsed, fresh = kind(given), kind(given)
    rehearsed.rehearse(REAL.first(2), FAKE.first(2))
    assert rehearsed.state_dict() == fresh.state_dict()


def test_under_gradient_normalization_the_whole_is_held_at_1_and_what_is_inside_is_free() -> None:
    """GN's figure 3."""
    _, D = networks.build(RECIPES["digits-gn"]())
    D.eval().requires_grad_(False)
    with torch.no_grad():
        for parameter in D.parameters():
            parameter.mul_(3)
    given = Subject(nn.Identity(), D, GradientNormalizedCritic(D))
    generator = torch.Generator().manual_seed(0)
    real, fake = (Batch(torch.rand(8, 1, 8, 8, generator=generator) * 2 - 1) for _ in range(2))
    at_layers = LayerLipschitz(given).measure(real, fake)
    assert at_layers["lipschitz/whole"] <= 1 + 1e-5
    assert max(value for name, value in at_layers.items() if "prefix" in name) > 2
    assert LipschitzConstant(given).measure(real, fake)["lipschitz/constant"] <= 1 + 1e-5


def test_pgn_as_published_begins_where_the_image_of_ones_rules() -> None:
    recipe = RECIPES["pgn-code-cifar10-cnn"]()
    _, D = networks.build(replace(recipe, network=replace(recipe.network, width_d=8)))
    D.eval().requires_grad_(False)
    images = Batch(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    found = GradientRms(Subject(nn.Identity(), D, D)).measure(images, images)
    assert found["gradient_rms/real"][8] < 0.01
