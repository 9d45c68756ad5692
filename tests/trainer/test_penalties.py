"""Penalties on a critic whose gradient is known: f(x) = <a, x> + b/2 |x|^2."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from tests.reference import penalties_twin as twin
from trainer.batches import Labelled
from trainer.config import Critic, Noise, Penalty, PenaltyName, Points
from trainer.critics import Critic as AnyCritic
from trainer.critics import build as build_critic
from trainer.penalties import TERMS, GradientPenalty
from trainer.randomness import Draws

CPU = torch.device("cpu")
KINDS: tuple[PenaltyName, ...] = tuple(TERMS)


class Bowl(nn.Module):
    def __init__(self, steepness: float = 0.3, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.a = nn.Parameter(torch.randn(2 * 3 * 3, generator=generator, dtype=dtype) / 4)
        self.b = nn.Parameter(torch.tensor(steepness, dtype=dtype))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002
        x = images.flatten(1)
        return x @ self.a + self.b / 2 * x.square().sum(1)


def images(seed: int, n: int = 6, dtype: torch.dtype = torch.float64) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    return Labelled(torch.rand(n, 2, 3, 3, generator=generator, dtype=dtype) * 2 - 1)


REAL, FAKE = images(0), images(1)


def penalty(kind: PenaltyName = "gp", seed: int = 0, **settings: Any) -> GradientPenalty:
    return GradientPenalty(Penalty(kind=kind, **settings), Draws(seed, CPU))


def raw(D: nn.Module) -> AnyCritic:
    return build_critic(Critic(), D)


def flat(points: Labelled) -> list[list[float]]:
    rows: list[list[float]] = points.x.flatten(1).tolist()
    return rows


@pytest.mark.parametrize("at", get_args(Points))
@pytest.mark.parametrize("kind", KINDS)
def test_a_penalty_and_its_gradients_are_what_its_paper_prints(kind: PenaltyName, at: Points) -> None:
    D = Bowl()
    settings: dict[str, Any] = {"weight": 3.0, "at": at}
    target = 1.0
    if kind in ("gp", "lp", "dragan"):
        settings["target"] = target = 0.83
    term = penalty(kind, **settings)
    points = term.points(REAL, FAKE)
    value = term.term(raw(D), points)
    known = (kind, target, D.a.tolist(), D.b.item(), flat(points))
    assert value.item() == pytest.approx(3 * twin.penalty(*known), rel=1e-12)
    by_a, by_b = torch.autograd.grad(value, [D.a, D.b])
    assert by_a.tolist() == pytest.approx([3 * slope for slope in twin.by_a(*known)], rel=1e-10)
    assert by_b.item() == pytest.approx(3 * twin.by_b(*known), rel=1e-10)


def test_lp_leaves_gradients_below_its_target_alone() -> None:
    D = Bowl(0.0)
    with torch.no_grad():
        D.a.mul_(0.5 / D.a.norm())
    value = penalty("lp").term(raw(D), REAL)
    assert value == 0
    assert torch.equal(*torch.autograd.grad(value, D.a), torch.zeros_like(D.a))
    assert penalty("gp").term(raw(D), REAL).item() == pytest.approx(10 * 0.25, rel=1e-12)


def test_a_critic_without_any_slope_is_penalized_and_gives_no_nan() -> None:
    D = Bowl(0.0)
    with torch.no_grad():
        D.a.zero_()
    for kind in KINDS:
        value = penalty(kind).term(raw(D), REAL)
        assert value.item() == (10 if kind in ("gp", "dragan") else 0)
        assert torch.equal(*torch.autograd.grad(value, D.a), torch.zeros_like(D.a))


def test_through_a_normalized_critic_it_is_the_normalized_gradient_that_is_penalized() -> None:
    """At a linear discriminator |grad h| = (N / (N + |f|))^2 (Wu et al., theorem 6)."""
    D = Bowl(0.0)
    critic = build_critic(Critic(kind="gn"), D)
    f, slope = D(REAL.x), D.a.norm()
    expected = 10 * (slope / (slope + f.abs())).pow(4).mean()
    value = penalty("0-gp").term(critic, REAL)
    assert value.item() == pytest.approx(expected.item(), rel=1e-10)
    (found,), (wanted,) = (torch.autograd.grad(loss, D.a) for loss in (value, expected))
    assert torch.allclose(found, wanted, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("gp", "interpolated"),
        ("0-gp", "interpolated"),
        ("lp", "interpolated"),
        ("dragan", "perturbed"),
        ("r1", "real"),
    ],
)
def test_a_penalty_is_taken_where_its_paper_takes_it_unless_told_otherwise(
    kind: PenaltyName, points: Points
) -> None:
    assert Penalty(kind=kind).points == points
    assert Penalty(kind=kind, at="fake").points == "fake"


def test_points_are_the_real_the_generated_or_both() -> None:
    assert penalty(at="real").points(REAL, FAKE).x is REAL.x
    assert penalty(at="fake").points(REAL, FAKE).x is FAKE.x
    assert torch.equal(penalty(at="both").points(REAL, FAKE).x, torch.cat([REAL.x, FAKE.x]))


def test_interpolated_points_lie_between_each_at_a_place_of_its_own() -> None:
    points = penalty().points(images(0, 200), images(1, 200))
    places = (points.x - images(1, 200).x) / (images(0, 200).x - images(1, 200).x)
    place = places.flatten(1).median(1).values
    assert torch.allclose(places, place[:, None, None, None], atol=1e-6)  # one for all pixels of a sample
    assert 0 <= place.min() < 0.05
    assert 0.95 < place.max() < 1
    assert place.mean() == pytest.approx(0.5, abs=0.06)


def test_perturbed_points_carry_gaussian_noise_of_the_scale_asked_for() -> None:
    real = images(0, 500)
    noise = penalty("dragan", scale=0.2).points(real, FAKE).x - real.x
    assert noise.std().item() == pytest.approx(0.2, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)


def test_or_one_sided_uniform_noise_of_half_the_batchs_deviation() -> None:
    real = images(0, 500)
    noise = penalty("dragan", noise="uniform").points(real, FAKE).x - real.x
    width = 0.5 * real.x.std(correction=0).item()
    assert noise.min() >= -1e-12
    assert noise.max().item() == pytest.approx(width, rel=0.01)
    assert noise.mean().item() == pytest.approx(width / 2, rel=0.02)


@pytest.mark.parametrize("noise", get_args(Noise))
def test_points_follow_from_the_seed_and_go_on_from_a_state(noise: Noise) -> None:
    first, second, other = (penalty("dragan", seed, noise=noise) for seed in (3, 3, 4))
    assert torch.equal(first.points(REAL, FAKE).x, second.points(REAL, FAKE).x)
    assert not torch.equal(first.points(REAL, FAKE).x, other.points(REAL, FAKE).x)
    other.draws.load_state_dict(first.draws.state_dict())
    assert torch.equal(first.points(REAL, FAKE).x, other.points(REAL, FAKE).x)


def test_points_keep_the_labels_of_the_images_they_come_from() -> None:
    real, fake = Labelled(REAL.x, torch.arange(6)), Labelled(FAKE.x, torch.arange(6, 12))
    labels = {at: penalty(at=at).points(real, fake).y for at in get_args(Points)}
    for at in ("real", "interpolated", "perturbed"):
        assert torch.equal(labels[at], torch.arange(6))
    assert torch.equal(labels["fake"], torch.arange(6, 12))
    assert torch.equal(labels["both"], torch.arange(12))


def test_a_lazy_penalty_is_taken_at_each_so_many_steps_and_as_many_times_as_strong() -> None:
    lazy, eager = penalty("r1", every=4), penalty("r1")
    assert [step for step in range(10) if lazy.is_due(step)] == [0, 4, 8]
    assert all(eager.is_due(step) for step in range(10))
    D = Bowl()
    assert lazy.term(raw(D), REAL).item() == pytest.approx(4 * eager.term(raw(D), REAL).item(), rel=1e-14)


def test_without_a_penalty_nothing_is_ever_due() -> None:
    assert not any(penalty("none").is_due(step) for step in range(5))


def test_norms_are_taken_in_float32_also_of_a_critic_in_bfloat16() -> None:
    D = Bowl(dtype=torch.bfloat16)
    assert penalty().term(raw(D), images(0, dtype=torch.bfloat16)).dtype == torch.float32
