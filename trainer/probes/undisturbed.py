"""Measuring without a trace: whatever a probe calls is afterwards, bit for bit, what it was before.

A forward pass may move batch-norm statistics and spectral norm's vectors, count calls, draw dropout from
the process's generators. Inside ``undisturbed`` networks are in eval mode and work on copies of their
buffers; at the end the buffers themselves come back untouched (not copied over: a graph that still needs
them stays valid), with every attribute, mode and generator as they were. Parameters ask for no gradient
inside: what is differentiated is the way from the image, at half the work. Autocast is off, and nothing is
compiled, whose second derivative there is none of.
"""

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import chain
from threading import get_ident
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit import ScriptModule
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def undisturbed(*called: object) -> Iterator["Visit"]:
    """``called``: the modules that will be called, or methods of theirs, and plain objects such as a critic
    that wraps one. What else is called within ``Visit.finding`` is found there.
    """
    called = tuple(thing.__self__ if isinstance(thing, MethodType) else thing for thing in called)
    modules = [thing for thing in called if isinstance(thing, nn.Module)]
    wrappers = [thing for thing in called if not isinstance(thing, nn.Module) and hasattr(thing, "__dict__")]
    # What is found may lie on any GPU.
    gpus = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)  # type: ignore[no-untyped-call]
    kinds = {t.device.type for module in modules for t in chain(module.parameters(), module.buffers())}
    kinds |= {"cpu", "cuda"} if gpus else {"cpu"}
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=gpus))
        stack.callback(random.setstate, python_state)
        stack.callback(np.random.set_state, numpy_state)
        for kind in kinds:
            stack.enter_context(_without_autocast(kind))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        for wrapper in wrappers:
            stack.callback(_restore, wrapper, dict(vars(wrapper)))
        visit = Visit()
        stack.callback(visit.end)
        for module in modules:
            visit.begin(module)
        yield visit


class Visit:
    """Modules that are called without a trace, and what they were before."""

    def __init__(self) -> None:
        self.attributes: dict[nn.Module, dict[str, Any]] = {}
        self.buffers: dict[nn.Module, dict[str, Tensor | None]] = {}
        #: Of buffers, by the originals' ids: what two modules share stays shared.
        self.copies: dict[int, Tensor] = {}
        self.trained: dict[nn.Parameter, None] = {}
        #: Modules that were called and not named.
        self.found: list[nn.Module] = []

    def begin(self, network: nn.Module) -> None:
        for module in network.modules():
            if module in self.attributes:
                continue
            self.attributes[module] = dict(vars(module))
            self.buffers[module] = dict(module._buffers)
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = self.copies.setdefault(id(buffer), buffer.detach().clone())
            for parameter in module._parameters.values():
                if parameter is not None and parameter.is_leaf and parameter.requires_grad:
                    self.trained[parameter] = None
                    parameter.requires_grad_(False)
            module.training = False
            if isinstance(module, DistributedDataParallel):
                # The other processes know nothing of this call.
                module.require_backward_grad_sync = module.require_forward_param_sync = False

    @contextmanager
    def finding(self) -> Iterator[None]:
        """Modules that nobody named (a critic may be a function that knows some) are taken in as they are
        called.
        """
        thread = get_ident()

        def meet(module: nn.Module, _: object) -> None:
            is_ours = get_ident() == thread  # what another thread calls meanwhile is its own
            if is_ours and module not in self.attributes and not isinstance(module, ScriptModule):
                self.found.append(module)
                self.begin(module)

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using `torch.compile")  # says that hooks are called
            hook = register_module_forward_pre_hook(meet)
            try:
                yield
            finally:
                hook.remove()

    def end(self) -> None:
        for parameter in self.trained:
            parameter.requires_grad_(True)
        for module, originals in self.buffers.items():
            module._buffers.clear()
            module._buffers.update(originals)
        for module, before in self.attributes.items():
            _restore(module, before)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Norms are measured in float32 as it is written: no autocast, and no TF32 on a GPU."""
    with ExitStack() as stack:
        stack.enter_context(_without_autocast(device.type))
        if device.type == "cuda":
            stack.enter_context(_without_tf32())
        yield


def _without_autocast(kind: str) -> AbstractContextManager[object]:
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


@contextmanager
def _without_tf32() -> Iterator[None]:
    """torch has old settings and new ones, and whoever reads one kind is refused where the other disagrees.
    All are changed, from the general to the particular, so that what follows another goes on following it.
    """
    backends: Any = torch.backends
    cudnn, matmul = backends.cudnn, backends.cuda.matmul
    settings: list[tuple[Callable[[], object], Callable[[Any], object], object]] = [
        *(_attribute(owner, "fp32_precision", "ieee") for owner in (backends, cudnn)),
        _attribute(cudnn, "allow_tf32", False),
        (_of_all_products, torch.set_float32_matmul_precision, "highest"),
        _attribute(matmul, "allow_tf32", False),
        *(_attribute(owner, "fp32_precision", "ieee") for owner in (cudnn.conv, cudnn.rnn, matmul)),
    ]
    with ExitStack() as stack:
        for read, write, full in settings:
            try:
                before = read()
            except RuntimeError:  # an old one, where new ones say something else: those are what holds
                continue
            if before in {"tf32", True, "high", "medium"}:
                write(full)
                stack.callback(write, before)
        yield


def _attribute(
    owner: Any, name: str, full: object
) -> tuple[Callable[[], object], Callable[[Any], object], object]:
    return partial(getattr, owner, name), partial(setattr, owner, name), full


def _of_all_products() -> str:
    """``torch.get_float32_matmul_precision``, if it is what was set: CPUs follow it too."""
    of_cpus: Any = torch.backends.mkldnn
    return torch.get_float32_matmul_precision() if of_cpus.matmul.fp32_precision in {"tf32", "bf16"} else ""


def _restore(thing: object, before: dict[str, Any]) -> None:
    now = vars(thing)
    for name in [name for name in now if name not in before]:
        del now[name]
    now.update(before)
