from itertools import chain

import pytest
import torch
from torch import nn

from tests.reference import angles_twin
from trainer.probes.angles import layers_of
from trainer.probes.stability import Stability


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))


def moved(nets: dict[str, nn.Sequential]) -> None:
    with torch.no_grad():
        for net in nets.values():
            for parameter in net.parameters():
                parameter.add_(torch.randn(parameter.shape), alpha=1e-3)


def weights(net: nn.Module) -> dict[str, list[torch.Tensor]]:
    layers = layers_of(net)
    return {name: [weight.detach().clone() for weight in layer] for name, layer in layers.items()}


@pytest.mark.parametrize("every", [{"angles": 1, "layer_angles": 4}, {"angles": 2, "layer_angles": 1}])
def test_every_network_and_layer_is_that_of_one_step_by_the_slow_twin(every: dict[str, int]) -> None:
    torch.manual_seed(0)
    nets = {"g": network(), "d": network(), "g_ema": network()}
    stability = Stability(nets, {**every, "epoch_angles": None}, everything=False)
    declared = {series.name for series in stability.of_steps()}
    measured: set[str] = set()
    for step in range(1, 9):
        before = {name: weights(net) for name, net in nets.items()}
        moved(nets)
        values = stability.step(step)
        measured |= set(values)
        expected = {}
        for name, net in nets.items():
            after = weights(net)
            whole = [list(chain(*layers.values())) for layers in (before[name], after)]
            if step % every["angles"] == 0:
                expected[f"angle/iter/{name}"] = angles_twin.angle(*whole)
                expected[f"weight_norm/iter/{name}"] = angles_twin.norm(whole[1])
                expected[f"relative_update/iter/{name}"] = angles_twin.relative_update(*whole)
            if step % every["layer_angles"] == 0:
                for layer in after:
                    angle = angles_twin.angle(before[name][layer], after[layer])
                    expected[f"angle/iter_layer/{name}/{layer}"] = angle
        assert {name: value.item() for name, value in values.items()} == pytest.approx(expected, rel=1e-6)
    assert measured == declared


def test_steps_and_layers_share_one_copy_of_the_weights() -> None:
    stability = Stability(
        {"g": network()}, {"angles": 1, "layer_angles": 1, "epoch_angles": None}, everything=False
    )
    kept = [old.numel() for trace in stability.steps.values() for old in trace.before]
    assert sum(kept) == 5 * 7 + 7 * 3


def test_without_angles_of_steps_no_weights_are_kept_for_them() -> None:
    every = {"angles": None, "layer_angles": None, "epoch_angles": "epoch"}
    stability = Stability({"g": network()}, every, everything=False)
    assert not stability.steps
    assert list(stability.marks) == ["g"]
    assert stability.step(1) == {}


def watched(steps: list[int], every: dict[str, int]) -> tuple[Stability, dict[int, float], dict[int, float]]:
    """The angles that were measured, and those of the last call by the slow twin."""
    torch.manual_seed(0)
    net = network()
    stability = Stability({"g": net}, {"layer_angles": None, **every, "epoch_angles": None}, everything=False)
    measured, expected = {}, {}
    for step in steps:
        before = list(chain(*weights(net).values()))
        moved({"g": net})
        if "angle/iter/g" in (values := stability.step(step)):
            measured[step] = values["angle/iter/g"].item()
        expected[step] = angles_twin.angle(before, list(chain(*weights(net).values())))
    return stability, measured, expected


@pytest.mark.parametrize(
    ("steps", "every", "has_angle"),
    [
        (list(range(1001, 1007)), 2, [1002, 1004, 1006]),  # a loop that goes on from its own checkpoint
        (list(range(2, 26, 2)), 4, [4, 8, 12, 16, 20, 24]),  # a count of both networks' steps
        ([1, 2, 3, 4, 10, 11, 12], 2, [2, 4, 12]),  # steps that were left out: 10 is six steps from 4
        ([1, 2, 3, 7, 8, 9], 1, [1, 2, 3, 9]),
        ([10, 23, 30, 50], 10, [10]),
    ],
)
def test_an_angle_is_that_of_one_step_or_there_is_none(
    steps: list[int], every: int, has_angle: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    _, measured, expected = watched(steps, {"angles": every})
    assert list(measured) == has_angle
    assert measured == pytest.approx({step: expected[step] for step in has_angle}, rel=1e-6)
    is_whole = has_angle == [step for step in steps if step % every == 0]
    assert len(caplog.records) == (0 if is_whole else 1)
    assert is_whole or "call step() after every generator step" in caplog.text


def test_a_restored_watch_knows_which_step_its_copy_is_from() -> None:
    stability, *_ = watched([1, 2, 3], {"angles": 4})
    every = {"angles": 4, "layer_angles": None, "epoch_angles": None}
    other = Stability({"g": network()}, every, everything=False)
    other.load_state_dict(stability.state_dict())
    assert "angle/iter/g" in other.step(4)
    other.load_state_dict(stability.state_dict())
    assert not other.step(8)
