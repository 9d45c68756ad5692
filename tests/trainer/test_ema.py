import torch
from torch import nn

from trainer.config import Ema
from trainer.ema import MovingAverage


def generator(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def trained_a_little(G: nn.Module) -> None:
    with torch.no_grad():
        for parameter in G.parameters():
            parameter.add_(torch.randn_like(parameter))
    G(torch.randn(8, 3))


def test_without_decay_it_is_the_generator_bit_for_bit() -> None:
    G = generator(0)
    average = MovingAverage(G, Ema(decay=0.0))
    trained_a_little(G)
    average.update(G, 1)
    assert all(
        torch.equal(a, b)
        for a, b in zip(average.G.state_dict().values(), G.state_dict().values(), strict=True)
    )


def test_it_follows_by_one_minus_decay_from_its_first_step_on() -> None:
    G = generator(0)
    average = MovingAverage(G, Ema(decay=0.75, start=2))
    expected = None
    for step in range(1, 6):
        trained_a_little(G)
        average.update(G, step)
        weight = G.get_parameter("0.weight").double()
        expected = weight.clone() if expected is None or step <= 2 else 0.75 * expected + 0.25 * weight
        assert torch.allclose(average.G.get_parameter("0.weight").double(), expected, rtol=1e-5)


def test_buffers_are_the_generators_own() -> None:
    G = generator(0)
    average = MovingAverage(G, Ema(decay=0.999))
    trained_a_little(G)
    average.update(G, 1)
    assert torch.equal(average.G.get_buffer("1.running_mean"), G.get_buffer("1.running_mean"))
    assert average.G.get_buffer("1.num_batches_tracked") == 1


def test_it_is_ready_to_sample_and_never_trained() -> None:
    average = MovingAverage(generator(0), Ema(decay=0.5))
    assert not average.G.training
    assert not any(parameter.requires_grad for parameter in average.G.parameters())
