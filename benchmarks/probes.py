"""What watching costs: each probe's time and memory, and the default schedule's share of a training step.

    python -m benchmarks.probes                                       # ResNet 32 under gradient normalization
    python -m benchmarks.probes --recipe digits-gn --threads 1
    python -m benchmarks.probes --recipe gn-cifar10-resnet --device cuda

Compared with one generator step of the same recipe with its discriminator steps, without any probe, on the
same device, in the same process. All take turns; a share is the median over rounds of ratios within a round,
so that a busy machine slows both sides, and with one thread on a CPU it is processor time that is measured.
Memory is what a probe keeps between calls, and the most that a call allocates beyond that. What a run does
with the numbers (``log``) is not part of it; judges are measured on the digits alone.

``--batch`` takes smaller batches than the recipe's, where a step is to be short: angles then weigh more.
"""

import argparse
import copy
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd import backward
from torch.profiler import ProfilerActivity, profile

from benchmarks.training import peak, seconds
from trainer import networks
from trainer.batches import Labelled
from trainer.config import Batch, Config
from trainer.critics import RawCritic
from trainer.critics import build as build_critic
from trainer.losses import LOSSES
from trainer.objective import Objective
from trainer.optimizer import ResumableAdam
from trainer.probes import Watch
from trainer.probes.judges.digits import digits_judge, load_digits
from trainer.probes.preparation import SCHEDULE
from trainer.probes.registry import Every
from trainer.recipes import RECIPES
from trainer.saturation import limits_of

#: Images of an epoch where there are no digits: CIFAR-10's.
EPOCH: Final = 50_000
STEP: Final = "training step"


class NoRun:
    """Takes everything and keeps nothing."""

    def log(self, values: Any, **_: Any) -> None: ...
    def log_distribution(self, name: str, values: Any, **_: Any) -> None: ...
    def log_images(self, name: str, images: Any, **_: Any) -> None: ...
    def declare(self, name: str, **_: Any) -> None: ...
    def mark(self, **_: Any) -> int:
        return 0


@dataclass(frozen=True)
class Measured:
    name: str
    call: Callable[[], object]
    #: How many training steps pass between two calls in the default schedule.
    every: int
    #: What it keeps between calls, in bytes.
    kept: int


class Subject:
    """A recipe's networks, in training."""

    def __init__(self, config: Config, device: torch.device) -> None:
        torch.manual_seed(0)
        self.config = config
        self.device = device
        self.G, self.D = (network.to(device) for network in networks.build(config))
        self.G_ema = copy.deepcopy(self.G)
        self.critic = build_critic(config.critic, self.D)
        self.objective = Objective(config, self.critic, device)
        self.step = 0
        self.optimizers = [
            ResumableAdam(network, rate, config.adam)
            for network, rate in ((self.G, config.lr.g), (self.D, config.lr.d))
        ]
        self.images = digits_or_noise(config)
        self.real = self.images[: config.batch.d].to(device)
        self.fake = self.sample(config.batch.d).detach()

    def sample(self, n: int) -> Tensor:
        images: Tensor = self.G(torch.randn(n, self.config.network.z_dim, device=self.device))
        return images

    def training_step(self) -> None:
        for_G, for_D = self.optimizers
        real = Labelled(self.real)
        for turn in range(self.config.n_dis):
            with torch.no_grad():
                fake = Labelled(self.sample(self.config.batch.d))
            batch = self.objective.prepared(real, fake, step=self.step, turn=turn)
            for_D.zero_grad()
            backward(self.objective.discriminator(batch)[0])
            for_D.step()
        self.D.requires_grad_(False)
        for_G.zero_grad()
        fake = Labelled(self.sample(self.config.batch.g))
        backward(self.objective.generator(fake, real, step=self.step)[0])
        for_G.step()
        self.D.requires_grad_(True)
        self.step += 1

    def watch(self, probe: str, every: Every) -> Watch:
        return Watch(
            self.G,
            self.D,
            NoRun(),
            critic=None if isinstance(self.critic, RawCritic) else self.critic,
            generator_loss=LOSSES[self.config.loss].generator,
            saturation=limits_of(self.config),
            G_ema=self.G_ema,
            real=self.images,
            judge=digits_judge() if probe == "quality" else (),
            z=self.config.network.z_dim,
            every={**dict.fromkeys(SCHEDULE), probe: every},
        )

    def probes(self) -> Iterator[Measured]:
        images = len(self.images) if self.config.dataset == "digits" else EPOCH
        per_epoch = max(1, images // (self.config.batch.d * self.config.n_dis))
        for probe, every in SCHEDULE.items():
            if every is None or (probe == "quality" and self.config.dataset != "digits"):
                continue
            watch = self.watch(probe, "epoch" if every == "epoch" else 1)
            if every == "epoch":
                yield Measured(probe, watch.epoch, per_epoch, kept_by(watch))
            else:
                step = partial(watch.step, real=self.real, fake=self.fake)
                yield Measured(probe, step, every, kept_by(watch))


def kept_by(watch: Watch) -> int:
    """The bytes of weights that it keeps from call to call, on the device and on the host."""
    traces = [*watch.stability.steps.values(), *watch.stability.marks.values()]
    return sum(old.nbytes for trace in traces for old in trace.before)


def most(call: Callable[[], object], device: torch.device) -> int:
    """The most bytes that ``call`` allocates at once."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    return peak(recorded)


def digits_or_noise(config: Config) -> Tensor:
    if config.dataset == "digits":
        return load_digits()[0]
    return torch.rand(2000, config.channels, config.size, config.size) * 2 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of every probe, and its share of a training step.")
    parser.add_argument(
        "--recipe",
        default="gn-cifar10-resnet",
        choices=sorted(RECIPES),
        metavar="RECIPE",
        help="one of those that `gantrain list` shows (%(default)s)",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, help="images of a step, instead of the recipe's")
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # else the profiler talks about itself
    device = torch.device(asked.device)
    config = RECIPES[asked.recipe]()
    if asked.batch:
        config = replace(config, batch=Batch(g=asked.batch, d=asked.batch))
    subject = Subject(config, device)
    probes = list(subject.probes())

    turns = [Measured(STEP, subject.training_step, 1, 0), *probes]
    times: dict[str, list[float]] = {turn.name: [] for turn in turns}
    for round_ in range(asked.rounds + 1):
        for turn in turns:
            spent = seconds(turn.call, device, asked.threads)
            if round_ > 0:  # the first warms up
                times[turn.name].append(spent)
    report(subject, turns, times, asked.threads)


def report(subject: Subject, turns: list[Measured], times: dict[str, list[float]], threads: int) -> None:
    device, config = subject.device, subject.config
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{threads} threads"
    weights = sum(p.numel() for network in (subject.G, subject.D) for p in network.parameters())
    batches = f"batches {config.batch.d} and {config.batch.g}, n_dis {config.n_dis}"
    print(f"{config.recipe}: {weights:,} parameters, {batches}, {where}\n")
    print(f"{'':<20}{'ms a call':>11}{'of a step':>11}{'every':>7}{'share':>9}{'keeps':>9}{'takes':>9}  MiB")
    total = 0.0
    for turn in turns:
        pairs = zip(times[turn.name], times[STEP], strict=True)
        ratio = statistics.median(mine / step for mine, step in pairs)
        total += 0 if turn.name == STEP else ratio / turn.every
        print(
            f"{turn.name:<20}{statistics.median(times[turn.name]) * 1000:>11.2f}{ratio:>11.4f}"
            f"{turn.every:>7}{ratio / turn.every:>9.3%}"
            f"{turn.kept / 2**20:>9.1f}{most(turn.call, device) / 2**20:>9.1f}"
        )
    print(f"{'default schedule':<20}{'':>29}{total:>9.3%}")


if __name__ == "__main__":
    main()
