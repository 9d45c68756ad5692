import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils._python_dispatch import TorchDispatchMode

from tests.reference import angles_twin
from trainer.probes import angles
from trainer.probes.angles import WeightTrace, layers_of, turn

SHAPES = [(17, 9), (5, 4, 3, 3), (200, 1)]


def weights_at(
    angle: float, scale: float, dtype: torch.dtype, seed: int = 0
) -> tuple[list[Tensor], list[Tensor]]:
    """Two states of the same weights, about ``angle`` apart, the later ``scale`` times as long."""
    generator = torch.Generator().manual_seed(seed)
    n = sum(math.prod(shape) for shape in SHAPES)
    a, other = torch.randn(2, n, dtype=torch.float64, generator=generator)
    across = other - a * torch.dot(a, other) / torch.dot(a, a)
    across *= a.norm() / across.norm()
    b = scale * (math.cos(angle) * a + math.sin(angle) * across)
    return _shaped(a, dtype), _shaped(b, dtype)


def _shaped(vector: Tensor, dtype: torch.dtype) -> list[Tensor]:
    parts = torch.split(vector, [math.prod(shape) for shape in SHAPES])
    return [part.view(shape).to(dtype) for part, shape in zip(parts, SHAPES, strict=True)]


@pytest.mark.parametrize("tile", [1 << 16, 100, 7])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
@pytest.mark.parametrize("angle", [1e-7, 1e-6, 1e-4, 0.01, 1.0, math.pi / 2, 3.0, math.pi - 1e-6, math.pi])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_angles_agree_with_fifty_digits_from_a_ten_millionth_to_pi(
    angle: float, scale: float, tile: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(angles, "TILE_CPU", tile)
    before, after = weights_at(angle, scale, dtype)
    measured = turn(before, after)
    assert measured.angle.item() == pytest.approx(angles_twin.angle(before, after), rel=1e-4)
    assert math.radians(measured.angle.item()) == pytest.approx(
        angle, rel=1 if dtype == torch.float32 else 1e-4
    )
    assert measured.norm.item() == pytest.approx(angles_twin.norm(after), rel=1e-12)
    assert measured.relative_update.item() == pytest.approx(
        angles_twin.relative_update(before, after), rel=1e-6
    )


@settings(max_examples=25, deadline=None)
@given(st.floats(-7, math.log10(math.pi)), st.floats(-5, 5), st.integers(0, 2**32))
def test_any_angle_at_any_scale_agrees_with_fifty_digits(exponent: float, scale: float, seed: int) -> None:
    before, after = weights_at(10**exponent, 10**scale, torch.float32, seed)
    assert turn(before, after).angle.item() == pytest.approx(angles_twin.angle(before, after), rel=1e-4)


def test_weights_that_did_not_move_turned_by_exactly_nothing() -> None:
    before, _ = weights_at(1.0, 1.0, torch.float32)
    assert turn(before, [w.clone() for w in before]).angle.item() == 0.0


def test_half_precision_and_other_memory_layouts_are_measured_as_they_are() -> None:
    before, after = weights_at(0.1, 1.0, torch.bfloat16)
    assert turn(before, after).angle.item() == pytest.approx(angles_twin.angle(before, after), rel=1e-4)
    before, after = weights_at(1e-5, 1.0, torch.float32)
    expected = turn(before, after).angle
    after[1] = after[1].contiguous(memory_format=torch.channels_last)
    assert torch.equal(turn(before, after).angle, expected)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_weights_without_a_direction_have_no_angle(value: float, side: int) -> None:
    states = list(weights_at(0.5, 1.0, torch.float32))
    if value == 0.0:
        states[side] = [torch.zeros_like(w) for w in states[side]]
    else:
        states[side][1][0, 0] = value
    assert turn(states[0], states[1]).angle.isnan()


class Largest(TorchDispatchMode):
    """The size of the largest float64 tensor made, and whether anything waited for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0
        self.has_waited = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.has_waited |= func is torch.ops.aten._local_scalar_dense.default
        if isinstance(result, Tensor) and result.dtype == torch.float64:
            self.numbers = max(self.numbers, result.numel())
        return result


def test_no_float64_copy_of_a_network_is_made_and_nothing_waits_for_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(angles, "TILE_CPU", 64)
    before, after = weights_at(0.5, 1.0, torch.float32)
    with Largest() as seen:
        turn(before, after)
    assert seen.numbers == 64
    assert not seen.has_waited


def test_weights_are_matrices_and_kernels_by_the_layer_that_carries_them() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(spectral_norm(nn.Linear(4, 4)))
    )
    found = layers_of(network)
    assert {name: [tuple(w.shape) for w in weights] for name, weights in found.items()} == {
        "0": [(2, 1, 3, 3)],
        "2.0": [(4, 4)],
    }
    with_the_rest = layers_of(network, everything=True)
    assert sum(w.numel() for weights in with_the_rest.values() for w in weights) == sum(
        p.numel() for p in network.parameters()
    )
    assert "1" in with_the_rest


@pytest.mark.parametrize("keep_on", ["device", "host"])
def test_a_trace_measures_the_whole_network_and_every_layer(keep_on: Any) -> None:
    torch.manual_seed(0)
    first = nn.Linear(5, 7)
    network = nn.Sequential(first, nn.Linear(7, 3))
    layers = layers_of(network)
    trace = WeightTrace(layers, keep_on)
    before = [w.detach().clone() for w in trace.weights]
    with torch.no_grad():
        first.weight += 0.1 * torch.randn(7, 5)
    turned = trace.turn()
    assert turned.angle.item() == pytest.approx(angles_twin.angle(before, trace.weights), rel=1e-9)
    of_layers = trace.turns()
    assert of_layers["0"].angle.item() == pytest.approx(
        angles_twin.angle(before[:1], trace.weights[:1]), rel=1e-9
    )
    assert of_layers["1"].angle.item() == 0.0
    trace.remember(turned.norm)
    assert trace.turn().angle.item() == 0.0


def test_a_restored_trace_goes_on_with_the_same_bits() -> None:
    torch.manual_seed(0)
    network = nn.Linear(30, 30)
    trace = WeightTrace(layers_of(network), "device")
    with torch.no_grad():
        network.weight += 0.01 * torch.randn(30, 30)
    trace.remember(trace.turn().norm)
    restored = WeightTrace(layers_of(network), "device")
    with torch.no_grad():
        network.weight += 0.01 * torch.randn(30, 30)
    restored.load_state_dict(trace.state_dict())
    assert torch.equal(restored.turn().angle, trace.turn().angle)


class Operations(TorchDispatchMode):
    """What is computed, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def test_remembering_is_one_operation_however_many_weights_there_are() -> None:
    trace = WeightTrace(layers_of(nn.Sequential(*(nn.Linear(3, 3) for _ in range(20)))), "device")
    with Operations() as seen:
        trace.remember()
    assert seen.names == ["aten._foreach_copy_.default"]


def test_comparing_takes_as_many_operations_on_floats_as_there_are_tiles_and_not_as_there_are_weights() -> (
    None
):
    def operations(layers: int) -> int:
        before = [torch.randn(3, 3) for _ in range(layers)]
        with Operations() as seen:
            turn(before, [weight + 1 for weight in before])
        return sum(name.split(".")[1] not in {"slice", "view", "detach", "add"} for name in seen.names)

    assert operations(40) == operations(20)
