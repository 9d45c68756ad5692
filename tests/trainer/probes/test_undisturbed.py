import copy
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from trainer.probes.sample_grid import Sampler, normal_latents
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


def test_a_loop_in_mixed_precision_is_left_while_measuring() -> None:
    G = nn.Linear(3, 2)
    sampler = Sampler(G, normal_latents((3,)), 0)
    with torch.autocast("cpu", torch.bfloat16):
        with undisturbed(G):
            assert next(sampler.batches(2)).dtype == torch.float32
        assert G(torch.ones(2, 3)).dtype == torch.bfloat16


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


def test_modules_that_a_function_knows_are_found_as_they_are_called() -> None:
    named, behind, elsewhere = Restless().train(), Restless().train(), nn.BatchNorm1d(4)
    before = snapshot(named), snapshot(behind)
    with undisturbed(named) as visit:
        with visit.finding():
            behind(named(torch.randn(8, 4)))
            other = Thread(target=elsewhere, args=(torch.randn(8, 4),))
            other.start()
            other.join()
        assert not behind.layers[1].training
        assert elsewhere.training
    assert visit.found == [behind]
    assert same((snapshot(named), snapshot(behind)), before)
    behind(torch.randn(8, 4))
    assert behind.count == 1


@pytest.mark.slow
def test_nothing_is_compiled_inside_and_what_is_compiled_stays_so() -> None:
    graphs: list[object] = []

    def backend(graph: Any, _: object) -> Any:
        graphs.append(graph)
        return graph

    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    compiled: Any = torch.compile(network, backend=backend)
    compiled(torch.randn(8, 4))
    compiled_graphs, before = len(graphs), copy.deepcopy(network.state_dict())
    with undisturbed() as visit, visit.finding():
        compiled(torch.randn(8, 4))
    assert len(graphs) == compiled_graphs
    assert same(network.state_dict(), before)


BACKENDS: Any = torch.backends
#: Where torch is told whether to use TF32 (that of CPUs last), apart from two older places.
SWITCHES = (
    BACKENDS,
    BACKENDS.cudnn,
    BACKENDS.cudnn.conv,
    BACKENDS.cudnn.rnn,
    BACKENDS.cuda.matmul,
    BACKENDS.mkldnn.matmul,
)


def precisions() -> list[object]:
    old: list[object] = []
    for owner in (BACKENDS.cudnn, BACKENDS.cuda.matmul):
        try:
            old.append(owner.allow_tf32)
        except RuntimeError:  # where new ones disagree
            old.append("refused")
    return [*(switch.fp32_precision for switch in SWITCHES), *old]


@pytest.fixture
def tf32() -> Iterator[None]:
    torch.set_float32_matmul_precision("highest")
    before = ("none", "none", "tf32", "tf32", "none", "none")
    yield
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")
    for switch, precision in zip(SWITCHES, before, strict=True):
        switch.fp32_precision = precision


def of_new_settings(*numbers: int) -> Callable[[], None]:
    def allow() -> None:
        for number in numbers:
            SWITCHES[number].fp32_precision = "tf32"

    return allow


@pytest.mark.usefixtures("tf32")
@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize(
    "allow",
    [
        lambda: None,
        lambda: torch.set_float32_matmul_precision("high"),
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
        lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
        of_new_settings(0),
        of_new_settings(1),
        of_new_settings(2, 4),
    ],
)
def test_tf32_is_off_while_norms_are_measured_and_then_what_it_was(allow: Callable[[], None]) -> None:
    allow()
    before = precisions()
    with full_float32(torch.device("cuda")):
        within = precisions()
    assert "tf32" not in within[:5]
    assert within[6:] == [False, False]
    assert precisions() == before


@pytest.mark.usefixtures("tf32")
@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
def test_a_setting_that_follows_another_goes_on_following_it() -> None:
    BACKENDS.fp32_precision = "tf32"
    with full_float32(torch.device("cuda")):
        pass
    BACKENDS.fp32_precision = "ieee"
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
