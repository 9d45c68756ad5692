"""Sample differences on a real discriminator in float64, against the slow twin and finite differences."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import pytest
import torch
from torch import Tensor, nn

from tests.reference import sample_differences_twin as twin
from trainer import networks
from trainer.batches import Labelled
from trainer.config import Adam, Batch, Config, Critic, CriticName, Network, SampleDifferences
from trainer.critics import build as build_critic
from trainer.objective import Objective, Prepared
from trainer.optimizer import ResumableAdam
from trainer.sample_differences import SampleDifferencesPenalization, Seen, pairs

CPU = torch.device("cpu")
Normalize = Literal["squared", "norm"]


def config(critic: CriticName = "raw", **differences: Any) -> Config:
    return Config(
        recipe="differences",
        dataset="images",
        channels=1,
        network=Network(z_dim=3, width_g=2, width_d=2, norm_g="none", init="torch"),
        critic=Critic(kind=critic),
        loss="hinge",
        batch=Batch(g=8, d=6),
        sample_differences=SampleDifferences(**{"weight": 0.5, "start": 0, "k": 3} | differences),
        steps=1,
    )


class System:
    """Networks in float64, with 6 real and 8 generated images."""

    def __init__(self, settings: Config) -> None:
        torch.manual_seed(0)
        self.settings = settings
        self.G, self.D = (network.double() for network in networks.build(settings))
        with torch.no_grad():  # so that scores and features matter
            for parameter in self.D.parameters():
                parameter.mul_(2)
        self.critic = build_critic(settings.critic, self.D)
        self.objective = Objective(settings, self.critic, CPU)
        generator = torch.Generator().manual_seed(1)
        self.real = Labelled(torch.rand(6, 1, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1)
        self.z = torch.randn(8, 3, generator=generator, dtype=torch.float64)

    def prepared(self, step: int = 0) -> Prepared:
        fake = Labelled(self.G(self.z[:6]).detach())
        return self.objective.prepared(self.real, fake, step=step, turn=0)

    def generator_loss(self, step: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
        return self.objective.generator(Labelled(self.G(self.z)), self.real, step=step)


def seen(system: System, images: Tensor) -> twin.Seen:
    h, blocks = system.critic.features(images)
    return twin.Seen(h.tolist(), [block.detach() for block in blocks])


@pytest.mark.parametrize("normalize", get_args(Normalize))
@pytest.mark.parametrize("critic", ["raw", "gn"])
def test_both_losses_get_what_the_slow_twin_gives(critic: CriticName, normalize: Normalize) -> None:
    system = System(config(critic, normalize=normalize))

    def expected(generated: Tensor) -> float:
        fake, real = seen(system, generated), seen(system, system.real.x)
        chosen = twin.pairs(fake.h, list(generated), list(system.real.x), 3)
        return twin.penalty(0.5, chosen, fake, real, normalize)

    batch = system.prepared()
    of_D, of_G = system.objective.discriminator(batch)[1]["sdp/d"], system.generator_loss()[1]["sdp/g"]
    assert of_D.item() == pytest.approx(expected(batch.fake.x), rel=1e-10)
    assert of_G.item() == pytest.approx(expected(system.G(system.z).detach()), rel=1e-10)


def test_it_is_added_to_the_loss_of_both_networks() -> None:
    system = System(config())
    without = System(config(weight=0.0))
    loss, numbers = system.objective.discriminator(system.prepared())
    alone, _ = without.objective.discriminator(without.prepared())
    assert loss.item() == pytest.approx((alone + numbers["sdp/d"]).item(), rel=1e-14)
    loss, numbers = system.generator_loss()
    alone, _ = without.generator_loss()
    assert loss.item() == pytest.approx((alone + numbers["sdp/g"]).item(), rel=1e-14)
    assert numbers["sdp/g"] > 0


def assert_gradients(loss: Callable[[], Tensor], network: nn.Module, width: float = 1e-6) -> None:
    """Against central differences along random directions."""
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    generator = torch.Generator().manual_seed(2)
    for _ in range(5):
        along = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
        values = []
        for sign in (1, -2, 1):  # there, to the other side, and back
            values.append(loss().item())
            with torch.no_grad():
                for p, direction in zip(parameters, along, strict=True):
                    p.add_(direction, alpha=sign * width)
        # values: at 0, +width, -width
        slope = (values[1] - values[2]) / (2 * width)
        expected = sum((g * direction).sum().item() for g, direction in zip(gradients, along, strict=True))
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("normalize", get_args(Normalize))
@pytest.mark.parametrize("critic", ["raw", "gn"])
def test_the_gradients_of_both_networks_are_those_of_finite_differences(
    critic: CriticName, normalize: Normalize
) -> None:
    system = System(config(critic, normalize=normalize))
    batch = system.prepared()
    assert_gradients(lambda: system.objective.discriminator(batch)[1]["sdp/d"], system.D)
    system.D.requires_grad_(False)
    assert_gradients(lambda: system.generator_loss()[1]["sdp/g"], system.G)
    system.D.requires_grad_(True)


def test_the_generators_term_gives_real_images_no_gradient() -> None:
    system = System(config("gn"))
    system.real.x.requires_grad_()
    system.generator_loss()[1]["sdp/g"].backward()  # type: ignore[no-untyped-call]
    assert system.real.x.grad is None


def test_the_best_generated_images_are_paired_with_their_nearest_real_ones() -> None:
    h = torch.tensor([0.1, 0.9, -0.3, 0.5])
    fake, real = (torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(n)) for n in (4, 9))
    best, nearest = pairs(h, fake, real, 3)
    assert list(zip(best.tolist(), nearest.tolist(), strict=True)) == twin.pairs(
        h.tolist(), list(fake), list(real), 3
    )


def test_images_that_are_almost_equal_are_told_apart() -> None:
    real = torch.full((3, 1, 64, 64), 0.7)
    real[1] += 1e-4
    real[2] += 2e-4
    _, nearest = pairs(torch.ones(1), real[1:2].clone(), real, 1)
    assert nearest.tolist() == [1]


def test_no_gradient_goes_through_the_choice_of_pairs() -> None:
    h, fake = (torch.rand(4, *shape, requires_grad=True) for shape in ((), (1, 2, 2)))
    best, nearest = pairs(h, fake, torch.rand(5, 1, 2, 2), 2)
    assert not best.requires_grad
    assert not nearest.requires_grad


def test_it_begins_at_iteration_3000_with_5_samples_and_takes_one_more_every_5000() -> None:
    differences = SampleDifferencesPenalization(SampleDifferences(weight=0.01))
    assert [differences.is_due(step) for step in (0, 2999, 3000, 99_999)] == [False, False, True, True]
    assert [differences.k(step, 64) for step in (3000, 4999, 5000, 9999, 10_000, 99_999)] == [
        5,
        5,
        6,
        6,
        7,
        24,
    ]
    assert differences.k(99_999, 16) == 16
    assert not SampleDifferencesPenalization(SampleDifferences()).is_due(10**6)


def test_before_its_start_nothing_is_added_and_no_block_is_looked_at() -> None:
    system = System(config(start=10))
    loss, numbers = system.objective.discriminator(system.prepared(step=9))
    assert "sdp/d" not in numbers
    assert torch.equal(loss, numbers["loss/d"])
    assert "sdp/g" not in system.generator_loss(step=9)[1]
    assert "sdp/g" in system.generator_loss(step=10)[1]


def test_a_block_of_zeros_gives_zero_and_no_nan() -> None:
    block = torch.zeros(2, 3, 4, 4, requires_grad=True)
    lit = torch.ones(2, 3, 4, 4)
    differences = SampleDifferencesPenalization(SampleDifferences(weight=1.0))
    h = torch.zeros(2)
    value = differences.term(Seen(h, [block]), Seen(h, [lit]))
    # The lit feature is (1, 1, 1) / 3, of square 1/3; two pairs, divided by k = 2.
    assert value.item() == pytest.approx(1 / 3)
    (gradient,) = torch.autograd.grad(value, block)
    assert gradient.isfinite().all()


def test_the_squared_norm_makes_faint_features_count_more_and_the_norm_does_not() -> None:
    h = torch.zeros(1)
    bright, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    for normalize, faint_counts in (("squared", 1e4), ("norm", 1.0)):
        differences = SampleDifferencesPenalization(SampleDifferences(weight=1.0, normalize=normalize))  # type: ignore[arg-type]

        def term(scale: float, differences: SampleDifferencesPenalization = differences) -> float:
            a, b = ((scale * v)[None, :, None, None] for v in (bright, other))
            return differences.term(Seen(h, [a]), Seen(h, [b])).item()

        assert term(0.01) / term(1.0) == pytest.approx(faint_counts, rel=1e-5)


def test_batch_norm_in_the_discriminator_sees_the_whole_real_batch_in_the_generators_step() -> None:
    settings = config()
    network = Network(z_dim=3, width_g=2, width_d=2, norm_g="none", norm_d="batch", init="torch")
    system = System(Config(**vars(settings) | {"network": network}))
    sizes: list[int] = []
    system.D.blocks[0].register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))  # type: ignore[union-attr, operator, index]
    system.generator_loss()
    assert sizes == [8, 6]
    optimizer = ResumableAdam(system.D, 1e-3, Adam())
    system.objective.discriminator(system.prepared())[0].backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert sizes == [8, 6, 6, 6]
