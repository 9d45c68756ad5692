from dataclasses import replace

import pytest
import torch
from torch import nn

from trainer.config import Config, Critic, CriticName, LossName
from trainer.config.networks import GRADIENT_NORMALIZED
from trainer.critics import build
from trainer.losses import LOSSES
from trainer.probes.saturation import Limits
from trainer.recipes import RECIPES
from trainer.saturation import BOUNDED, MARGINS, limits_of


def config(loss: LossName, critic: CriticName) -> Config:
    base = RECIPES["digits-gn"]()
    return replace(base, loss=loss, critic=Critic(kind=critic))


@pytest.mark.parametrize("loss", LOSSES)
def test_from_its_margin_on_a_loss_has_a_hundredth_of_its_slope_or_less(loss: LossName) -> None:
    def steepness(of_real: float) -> float:
        h = torch.tensor([of_real], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(LOSSES[loss].discriminator(h, torch.zeros(1)), h)
        return abs(slope.item())

    if loss in MARGINS:
        steepest = steepness(-100)
        assert steepness(MARGINS[loss]) <= 0.01 * steepest * (1 + 1e-9)
        assert steepness(MARGINS[loss] - 0.01) > 0.01 * steepest
    else:
        assert max(steepness(9), steepness(10)) >= 1


@pytest.mark.parametrize("kind", sorted(GRADIENT_NORMALIZED))
def test_critics_that_are_bounded_say_so_and_the_others_leave_the_bound(kind: CriticName) -> None:
    linear = nn.Linear(4, 1)
    nn.init.constant_(linear.weight, 1e-3)
    nn.init.constant_(linear.bias, 50.0)
    critic = build(Critic(kind=kind), nn.Sequential(nn.Flatten(), linear, nn.Flatten(0)))
    furthest = critic(torch.rand(3, 1, 2, 2)).abs().max().item()
    assert (furthest <= 1) == (kind in BOUNDED)


def test_a_recipe_has_the_limits_of_its_critic_and_its_loss() -> None:
    assert limits_of(config("hinge", "gn")) == Limits(bound=1.0, margin=1.0)
    assert limits_of(config("wasserstein", "pgn")) == Limits(bound=1.0)
    assert limits_of(config("ls", "raw")) is None
