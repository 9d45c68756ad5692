import pytest
import torch
from torch import nn

from trainer.config import Adam
from trainer.optimizer import ResumableAdam


def network(value: float = 1.0) -> nn.Linear:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(value)
            parameter.grad = torch.ones_like(parameter)
    return layer


def test_a_rate_is_the_configured_one_times_a_factor() -> None:
    layer = network()
    optimizer = ResumableAdam(layer, 0.5, Adam(betas=(0.0, 0.9)))
    assert optimizer.set_rate(0.2) == 0.1
    optimizer.step()  # Adam's first step is as long as its rate
    assert layer.weight.tolist() == [[pytest.approx(0.9), pytest.approx(0.9)]]
    assert optimizer.set_rate(0.5) == 0.25


def test_weights_are_clipped_after_each_step_where_that_is_asked_for() -> None:
    layer = network()
    ResumableAdam(layer, 0.1, Adam(), clip=0.01).step()
    assert layer.weight.tolist() == [[pytest.approx(0.01)] * 2]
    assert layer.bias.tolist() == [pytest.approx(0.01)]
    free = network()
    ResumableAdam(free, 0.1, Adam()).step()
    assert free.weight.tolist() == [[pytest.approx(0.9)] * 2]
