"""What is minimized in a step, on small networks."""

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from trainer import networks
from trainer.batches import Labelled, joined
from trainer.config import (
    Batch,
    Config,
    Consistency,
    Critic,
    CriticName,
    LossName,
    Network,
    Penalty,
    PenaltyName,
    SampleDifferences,
)
from trainer.critics import build as build_critic
from trainer.objective import Objective, accumulated

CPU = torch.device("cpu")
EVERYTHING = {
    "penalty": Penalty(kind="gp"),
    "consistency": Consistency(weight=5.0),
    "sample_differences": SampleDifferences(weight=0.01, start=0),
}


def config(**changes: Any) -> Config:
    settings: dict[str, Any] = {
        "recipe": "objective",
        "dataset": "images",
        "channels": 1,
        "network": Network(z_dim=3, width_g=2, width_d=2, norm_g="none", init="torch"),
        "loss": "hinge",
        "batch": Batch(g=8, d=8),
        "steps": 1,
    }
    return Config(**settings | changes)


def built(settings: Config) -> tuple[nn.Module, nn.Module, Objective]:
    torch.manual_seed(0)
    G, D = (network.double() for network in networks.build(settings))
    return G, D, Objective(settings, build_critic(settings.critic, D), CPU)


def images(seed: int, n: int = 8) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    return Labelled(torch.rand(n, 1, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1)


REAL, FAKE = images(0), images(1)


def gradients(network: nn.Module) -> list[Tensor]:
    found = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(found) == len(list(network.parameters()))
    return found


def pairings() -> list[tuple[LossName, PenaltyName]]:
    """Every loss, and every penalty."""
    losses, penalties = get_args(LossName), get_args(PenaltyName)
    return [(losses[i % len(losses)], penalty) for i, penalty in enumerate(penalties)]


@pytest.mark.parametrize(("loss", "penalty"), pairings())
@pytest.mark.parametrize("critic", get_args(CriticName))
def test_every_critic_goes_with_every_loss_and_penalty(
    critic: CriticName, loss: LossName, penalty: PenaltyName
) -> None:
    G, D, objective = built(config(critic=Critic(kind=critic), loss=loss, penalty=Penalty(kind=penalty)))
    batch = objective.prepared(REAL, FAKE, step=0, turn=0)
    numbers = accumulated([objective.discriminator(batch)], 1)
    expected = {"loss/d", "score/real", "score/fake"} | ({f"penalty/{penalty}"} - {"penalty/none"})
    assert numbers.keys() == expected
    of_D = gradients(D)
    D.requires_grad_(False)
    fake = Labelled(G(torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))))
    numbers |= accumulated([objective.generator(fake, REAL, step=0)], 1)
    assert all(value.isfinite().all() for value in [*numbers.values(), *of_D, *gradients(G)])


@pytest.mark.parametrize("activation", ["relu", "elu", "softplus"])
@pytest.mark.parametrize("critic", ["raw", "gn", "gran"])
def test_smooth_discriminators_take_everything_too(critic: CriticName, activation: Any) -> None:
    network = replace(config().network, activation_d=activation)
    _, D, objective = built(config(critic=Critic(kind=critic), network=network, **EVERYTHING))
    accumulated([objective.discriminator(objective.prepared(REAL, FAKE, step=0, turn=0))], 1)
    assert all(gradient.isfinite().all() for gradient in gradients(D))


@pytest.mark.parametrize("critic", ["gn", "pgn"])
def test_hinge_and_wasserstein_train_a_bounded_critic_alike(critic: CriticName) -> None:
    found = []
    for loss in ("hinge", "wasserstein"):
        _, D, objective = built(config(critic=Critic(kind=critic), loss=loss))
        numbers = accumulated([objective.discriminator(objective.prepared(REAL, FAKE, step=0, turn=0))], 1)
        found.append((numbers["loss/d"], gradients(D)))
    (of_hinge, by_hinge), (of_wasserstein, by_wasserstein) = found
    assert of_hinge.item() == pytest.approx(of_wasserstein.item() + 2, rel=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(by_hinge, by_wasserstein, strict=True))


def test_the_loss_is_the_sum_of_its_terms() -> None:
    *_, objective = built(config(**EVERYTHING))
    loss, numbers = objective.discriminator(objective.prepared(REAL, FAKE, step=0, turn=0))
    terms = [numbers[name] for name in ("loss/d", "consistency", "penalty/gp", "sdp/d")]
    assert loss.item() == pytest.approx(sum(term.item() for term in terms), rel=1e-14)
    assert all(term > 0 for term in terms)


def test_real_generated_and_augmented_images_go_through_the_discriminator_in_one_call() -> None:
    _, D, objective = built(config(consistency=Consistency(weight=5.0)))
    calls: list[int] = []
    D.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    objective.discriminator(objective.prepared(REAL, FAKE, step=0, turn=0))
    assert calls == [24]


def test_under_batch_norm_each_batch_goes_through_by_itself() -> None:
    network = replace(config().network, norm_d="batch")
    _, D, objective = built(config(network=network, loss="wasserstein"))
    loss, numbers = objective.discriminator(objective.prepared(REAL, FAKE, step=0, turn=0))
    assert torch.equal(numbers["score/real"], D(REAL.x).mean())
    assert torch.equal(numbers["score/fake"], D(FAKE.x).mean())
    assert torch.equal(loss, D(FAKE.x).mean() - D(REAL.x).mean())


@pytest.mark.parametrize("parts", [2, 8])
@pytest.mark.parametrize("critic", ["raw", "gn"])
@pytest.mark.parametrize(
    "penalty", [Penalty(kind="gp"), Penalty(kind="dragan", noise="uniform"), Penalty(kind="0-gp", at="both")]
)
def test_a_batch_in_parts_gives_the_gradients_and_numbers_of_the_whole(
    penalty: Penalty, critic: CriticName, parts: int
) -> None:
    found = []
    for n in (1, parts):
        G, D, objective = built(
            config(
                penalty=penalty, consistency=Consistency(weight=5.0), critic=Critic(kind=critic), loss="ns"
            )
        )
        batch = objective.prepared(REAL, FAKE, step=0, turn=0)
        numbers = accumulated((objective.discriminator(part) for part in batch.parts(n)), n)
        of_D = gradients(D)
        D.requires_grad_(False)
        z = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        fakes = (Labelled(G(part)) for part in z.chunk(n))
        numbers |= accumulated((objective.generator(fake, REAL, step=0) for fake in fakes), n)
        found.append([*of_D, *gradients(G), *numbers.values()])
    for whole, in_parts in zip(*found, strict=True):
        assert torch.allclose(in_parts, whole, rtol=1e-10, atol=1e-13)


def test_labels_go_along_with_real_generated_and_augmented_images_and_with_points() -> None:
    class Echo(nn.Module):
        """Scores an image by its label."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, x: Tensor, labels: Tensor) -> Tensor:
            return self.weight * labels * (1 + 0 * x.sum((1, 2, 3)))

    critic = build_critic(Critic(), Echo())
    settings = config(penalty=Penalty(kind="r1"), consistency=Consistency(weight=1.0), loss="wasserstein")
    objective = Objective(settings, critic, CPU)
    real, fake = Labelled(REAL.x, torch.arange(8)), Labelled(FAKE.x, torch.arange(10, 18))
    _, numbers = objective.discriminator(objective.prepared(real, fake, step=0, turn=0))
    assert (numbers["score/real"], numbers["score/fake"]) == (3.5, 13.5)
    assert numbers["consistency"] == 0
    assert objective.generator(fake, real, step=0)[0] == -13.5


def test_a_lazy_penalty_counts_discriminator_steps() -> None:
    settings = config(penalty=Penalty(kind="r1", every=4), n_dis=3)
    *_, objective = built(settings)
    due = [
        (step, turn)
        for step in range(5)
        for turn in range(3)
        if objective.prepared(REAL, FAKE, step=step, turn=turn).points is not None
    ]
    assert due == [(0, 0), (1, 1), (2, 2), (4, 0)]


def test_what_is_random_follows_from_the_seed_and_goes_on_from_a_state() -> None:
    def prepared(objective: Objective) -> list[Tensor]:
        batch = objective.prepared(REAL, FAKE, step=0, turn=0)
        assert batch.points is not None
        assert batch.augmented is not None
        return [batch.points.x, batch.augmented.x]

    (*_, first), (*_, same), (*_, other) = (built(config(seed=seed, **EVERYTHING)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(prepared(first), prepared(same), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(prepared(first), prepared(other), strict=True))
    other.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(prepared(first), prepared(other), strict=True))


def test_ranks_draw_together_what_one_process_draws_for_their_whole_batch() -> None:
    settings = config(**EVERYTHING)
    critic = build_critic(settings.critic, networks.build(settings)[1].double())
    whole = Objective(settings, critic, CPU).prepared(REAL, FAKE, step=0, turn=0)
    halves = [
        Objective(settings, critic, CPU, rank=rank, ranks=2).prepared(real, fake, step=0, turn=0)
        for rank, (real, fake) in enumerate(zip(REAL.parts(2), FAKE.parts(2), strict=True))
    ]
    for name in ("points", "augmented"):
        assert torch.equal(joined([getattr(half, name) for half in halves]).x, getattr(whole, name).x)


def test_losses_are_computed_in_float32_of_a_discriminator_in_bfloat16() -> None:
    _, D, objective = built(config(**EVERYTHING))
    D.to(torch.bfloat16)
    real, fake = (Labelled(batch.x.to(torch.bfloat16)) for batch in (REAL, FAKE))
    loss, numbers = objective.discriminator(objective.prepared(real, fake, step=0, turn=0))
    assert {number.dtype for number in [loss, *numbers.values()]} == {torch.float32}
