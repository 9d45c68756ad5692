"""Measuring without a trace: whatever a probe calls is afterwards, bit for bit, what it was before.

A forward pass may move batch-norm statistics and spectral norm's vectors, count calls, draw dropout from
the process's generators. Inside ``undisturbed`` networks are in eval mode and work on copies of their
buffers; at the end the buffers themselves come back untouched (not copied over: a graph that still needs
them stays valid), with every attribute, mode and generator as they were. Parameters ask for no gradient
inside: what is differentiated is the way from the image, at half the work.
"""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def undisturbed(*called: object) -> Iterator[None]:
    """``called``: the modules that will be called, or methods of theirs, and plain objects such as a critic
    that wraps one.
    """
    called = tuple(thing.__self__ if isinstance(thing, MethodType) else thing for thing in called)
    modules = list(
        dict.fromkeys(m for network in called if isinstance(network, nn.Module) for m in network.modules())
    )
    wrappers = [thing for thing in called if not isinstance(thing, nn.Module) and hasattr(thing, "__dict__")]
    attributes = [(thing, dict(vars(thing))) for thing in [*modules, *wrappers]]
    buffers = [(module, dict(module._buffers)) for module in modules]
    parameters = dict.fromkeys(p for module in modules for p in module._parameters.values() if p is not None)
    trained = [parameter for parameter in parameters if parameter.is_leaf and parameter.requires_grad]
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=_cuda_devices(modules)):
        try:
            copies: dict[int, Tensor] = {}
            for module, originals in buffers:
                for name, buffer in originals.items():
                    if buffer is not None:
                        module._buffers[name] = copies.setdefault(id(buffer), buffer.detach().clone())
                module.training = False
            for parameter in trained:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)
            for module, originals in buffers:
                module._buffers.clear()
                module._buffers.update(originals)
            for thing, before in attributes:
                _restore(thing, before)
            random.setstate(python_state)
            np.random.set_state(numpy_state)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Norms are measured in float32 as it is written: no autocast, and no TF32 on a GPU."""
    with ExitStack() as stack:
        if torch.amp.is_autocast_available(device.type):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type != "cuda":
            yield
            return
        cudnn: Any = torch.backends.cudnn
        switches = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn]
        before = [switch.fp32_precision for switch in switches]
        try:
            for switch in switches:
                switch.fp32_precision = "ieee"
            yield
        finally:
            for switch, precision in zip(switches, before, strict=True):
                switch.fp32_precision = precision


def _restore(thing: object, before: dict[str, Any]) -> None:
    now = vars(thing)
    for name in [name for name in now if name not in before]:
        del now[name]
    now.update(before)


def _cuda_devices(modules: list[nn.Module]) -> list[int]:
    tensors = (
        tensor for module in modules for tensor in [*module._parameters.values(), *module._buffers.values()]
    )
    return sorted({tensor.device.index for tensor in tensors if tensor is not None and tensor.is_cuda})
