import random
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from trainer.probes.undisturbed import full_float32, undisturbed


class Restless(nn.Module):
    """Everything a forward pass may disturb."""

    calls: Tensor
    bound: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(spectral_norm(nn.Linear(4, 4)), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("bound", torch.zeros(()))
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.bound = self.calls + 1
        self.count += 1
        self.seen = x
        random.random()
        np.random.random()
        torch.rand(1)
        y: Tensor = self.layers(x)
        return y


def snapshot(module: Restless) -> dict[str, object]:
    return {
        "buffers": {name: (id(b), b._version, b.clone()) for name, b in module.named_buffers()},
        "training": [m.training for m in module.modules()],
        "trained": [parameter.requires_grad for parameter in module.parameters()],
        "count": module.count,
        "seen": hasattr(module, "seen"),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
    }


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_a_call(fails: bool) -> None:
    module = Restless().train()
    module.layers[2].eval()
    module.layers[1].bias.requires_grad_(False)
    before = snapshot(module)
    with pytest.raises(RuntimeError) if fails else nullcontext(), undisturbed(module):
        assert not module.layers[1].training
        assert not any(parameter.requires_grad for parameter in module.parameters())
        module(torch.randn(8, 4))
        module.train()
        module(torch.randn(8, 4))
        assert module.count == 2
        if fails:
            raise RuntimeError("in the middle")
    assert same(snapshot(module), before)


def test_a_graph_from_before_can_still_go_backward() -> None:
    module = Restless().train()
    loss = module(torch.randn(8, 4)).sum()
    with undisturbed(module):
        module(torch.randn(8, 4))
        module.train()
        module(torch.randn(8, 4))
    torch.autograd.backward(loss)


def test_what_wraps_a_network_is_put_back_too() -> None:
    class Critic:
        def __init__(self) -> None:
            self.undefined = torch.zeros(())

        def __call__(self, x: Tensor) -> Tensor:
            self.undefined = self.undefined + 1
            return x

    critic = Critic()
    before = critic.undefined
    with undisturbed(critic):
        critic(torch.zeros(1))
    assert critic.undefined is before


def test_a_method_is_called_in_the_module_it_is_of() -> None:
    module = Restless().train()
    before = snapshot(module)
    with undisturbed(module.forward):
        module.forward(torch.randn(8, 4))
    assert same(snapshot(module), before)


def test_a_buffer_that_two_modules_share_stays_shared() -> None:
    shared = torch.zeros(())
    a, b = nn.Module(), nn.Module()
    a.register_buffer("shared", shared)
    b.register_buffer("shared", shared)
    with undisturbed(a, b):
        assert a.shared is b.shared
        assert a.shared is not shared
    assert a.shared is shared is b.shared


def precisions() -> list[str]:
    cudnn: Any = torch.backends.cudnn
    return [switch.fp32_precision for switch in (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)]


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
def test_tf32_is_off_while_norms_are_measured_and_then_what_it_was() -> None:
    before, allowed = precisions(), torch.backends.cudnn.allow_tf32
    with full_float32(torch.device("cuda")):
        assert precisions() == ["ieee"] * 3
    assert precisions() == before
    assert torch.backends.cudnn.allow_tf32 == allowed
