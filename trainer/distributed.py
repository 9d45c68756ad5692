"""Several processes that train one GAN: what each of them must hear from the others.

``torchrun`` starts a process for each GPU, on one machine or many. Every process trains the same networks on
its own part of each batch: n processes with a batch b do together what one would with a batch n b. The
settings say what one process does, so the whole batch grows with their number.

Gradients are averaged in one piece after ``backward`` and before the optimizer's step, with nothing wrapped
around the networks: critics that differentiate twice, accumulated gradients, penalties and probes see the
plain modules (why: DECISIONS.md). Batch norm is synchronized on GPUs, and normalizes within each process on
CPUs. Sample differences pair within a process.

Every process is a writer of the run. Rank 0 logs the metrics, measures and writes the checkpoints.
"""

import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer.errors import ConfigError, PeerError, TrainingError

T = TypeVar("T")
Numbers = Mapping[str, Tensor]

#: How long one process may let the others wait, as rank 0 does while it measures.
PATIENCE: Final = timedelta(minutes=60)
#: How long rank 0 may take to say that training failed, before it is taken for dead.
BEREAVED: Final = timedelta(seconds=5)
SPOKEN: Final = "ganwatch/spoken"
#: What ``torchrun`` sets in every process that it starts.
SET_BY_TORCHRUN: Final = frozenset({"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"})


class Ranks(Protocol):
    """The processes of a training, seen from one of them."""

    rank: int
    count: int

    def prepare(self, network: nn.Module) -> nn.Module:
        """The network with what its layers must know of the others."""

    def begin_equal(self, *networks: nn.Module) -> None:
        """All go on from rank 0's parameters and buffers."""

    def average_gradients(self, network: nn.Module) -> None:
        """Each gradient becomes the mean over the processes, in place."""

    def mean(self, numbers: Numbers) -> Numbers:
        """Each number as the mean over the processes."""

    def agree(self, said: T | None) -> T | None:
        """What one of them says that says anything, the same for all."""

    def share(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, or why it cannot, for all. The others do not make it."""

    def must_speak(self) -> bool:
        """To be asked where training failed: whether this process has to say so because rank 0 died."""


class Alone:
    """One process, which has nobody to ask."""

    rank = 0
    count = 1

    def prepare(self, network: nn.Module) -> nn.Module:
        return network

    def begin_equal(self, *networks: nn.Module) -> None:
        pass

    def average_gradients(self, network: nn.Module) -> None:
        pass

    def mean(self, numbers: Numbers) -> Numbers:
        return numbers

    def agree(self, said: T | None) -> T | None:
        return said

    def share(self, make: Callable[[], T]) -> T:
        return make()

    def must_speak(self) -> bool:
        return False


ALONE: Final = Alone()


class Together:
    """One of several processes. That another died shows as a ``PeerError`` in whatever is asked next."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.count = dist.get_world_size()
        self.store = dist.distributed_c10d._get_default_store()

    def prepare(self, network: nn.Module) -> nn.Module:
        if all(parameter.is_cuda for parameter in network.parameters()):
            converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            return converted
        return network

    def begin_equal(self, *networks: nn.Module) -> None:
        with _listening(), torch.no_grad():
            for network in networks:
                for tensor in [*network.parameters(), *network.buffers()]:
                    plain = tensor.contiguous()  # channels-last is not
                    dist.broadcast(plain, src=0)
                    tensor.copy_(plain)

    def average_gradients(self, network: nn.Module) -> None:
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        with _listening():
            dist.all_reduce(flat)
            flat /= self.count
        sizes = [gradient.numel() for gradient in gradients]
        parts = [
            part.view(gradient.shape)
            for part, gradient in zip(torch.split(flat, sizes), gradients, strict=True)
        ]
        torch._foreach_copy_(gradients, parts)

    def mean(self, numbers: Numbers) -> Numbers:
        flat = torch.stack([number.detach().double() for number in numbers.values()])
        with _listening():
            dist.all_reduce(flat)
            flat /= self.count
        return dict(zip(numbers, flat.unbind(), strict=True))

    def agree(self, said: T | None) -> T | None:
        speaker = torch.tensor(0 if said is None else self.rank + 1)
        with _listening():
            dist.all_reduce(speaker, dist.ReduceOp.MAX)
            agreed = [said]
            if speaker:
                dist.broadcast_object_list(agreed, src=int(speaker) - 1, device=torch.device("cpu"))
        return agreed[0]

    def share(self, make: Callable[[], T]) -> T:
        made: list[T | TrainingError | None] = [None]
        if self.rank == 0:
            try:
                made = [make()]
            except TrainingError as problem:
                made = [problem]
        with _listening():
            dist.broadcast_object_list(made, src=0, device=torch.device("cpu"))
        if isinstance(made[0], TrainingError):
            raise made[0]
        return made[0]  # type: ignore[return-value]  # it was filled in by rank 0

    def must_speak(self) -> bool:
        try:
            if self.rank == 0:
                self.store.set(SPOKEN, "")
                return False
            try:
                self.store.wait([SPOKEN], BEREAVED)
            except dist.DistError:
                return self.store.add("ganwatch/speakers", 1) == 1
        except RuntimeError:  # the store has died with them
            return False
        return False


@contextmanager
def joined(name: str | None) -> Iterator[tuple[Ranks, torch.device]]:
    """The processes that ``torchrun`` started with this one, and the device that is this one's; without it
    one process alone, on the device of that ``name`` or on a GPU where there is one.
    """
    if not os.environ.keys() >= SET_BY_TORCHRUN or os.environ["WORLD_SIZE"] == "1":
        yield ALONE, choose_device(name)
        return
    device = choose_device(name, own=int(os.environ.get("LOCAL_RANK", os.environ["RANK"])))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # What is agreed on lies on the host, and so does not wait for a GPU.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    yield Together(), device
    # Not after an error: where another died, taking leave of it can take for ever.
    dist.destroy_process_group()


def choose_device(name: str | None, own: int | None = None) -> torch.device:
    """``own`` is the number of this process on its machine: each has a GPU of its own."""
    if name is None or (own is not None and name == "cuda"):
        gpu = "cuda" if own is None else f"cuda:{own}"
        name = gpu if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as problem:
        gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        # Of a GPU torch knows what is wrong; of anything else it lists every kind there is in the world.
        reason = f" ({str(problem).splitlines()[0]})" if gpus and name.startswith("cuda") else ""
        usable = " or ".join(["cpu", *gpus])
        raise ConfigError(f"device {name} cannot be used{reason}: pass {usable}") from problem
    return device


@contextmanager
def _listening() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:  # what died is this one
        raise
    except (RuntimeError, pickle.UnpicklingError) as problem:
        raise PeerError(
            "another process of this training has died or cannot be reached, so this one ends too; the "
            "other's own message says why, and the same command with --out and --resume goes on"
        ) from problem
