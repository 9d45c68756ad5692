"""What watching costs: each probe's time by call and by step, and the default schedule's share of a
training step.

    python benchmarks/probes.py                          # the digits under gradient normalization
    python benchmarks/probes.py --recipe digits-lsgan --threads 1
    python benchmarks/probes.py --recipe dcgan64-gn --device cuda

Compared with: one training step of the same recipe without any probe, on the same device, in the same
process. Times are medians over rounds in which the step and every probe take turns, so that a busy machine
slows all of them alike. What a run does with the numbers (``log``) is not part of it.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import backward

from trainer import networks
from trainer.batches import Labelled
from trainer.config import Config
from trainer.critics import RawCritic
from trainer.critics import build as build_critic
from trainer.objective import Objective
from trainer.optimizer import ResumableAdam
from trainer.probes import Watch
from trainer.probes.judges.digits import digits_judge, load_digits
from trainer.probes.preparation import SCHEDULE
from trainer.probes.registry import Every
from trainer.recipes import RECIPES


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


class Subject:
    """A recipe's networks, in training."""

    def __init__(self, config: Config, device: torch.device) -> None:
        torch.manual_seed(0)
        self.config = config
        self.G, self.D = (network.to(device) for network in networks.build(config))
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
        images: Tensor = self.G(torch.randn(n, self.config.network.z_dim, device=self.real.device))
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
            real=self.images,
            judge=digits_judge() if probe == "quality" else (),
            z=self.config.network.z_dim,
            every={**dict.fromkeys(SCHEDULE), probe: every},
        )

    def probes(self) -> Iterator[Measured]:
        per_epoch = max(1, len(self.images) // self.config.batch.d)
        for probe, every in SCHEDULE.items():
            if every == "epoch" and (probe != "quality" or self.config.dataset == "digits"):
                yield Measured(probe, self.watch(probe, every).epoch, per_epoch)
            elif isinstance(every, int):
                step = partial(self.watch(probe, 1).step, real=self.real, fake=self.fake)
                yield Measured(probe, step, every)


def digits_or_noise(config: Config) -> Tensor:
    if config.dataset == "digits":
        return load_digits()[0]
    return torch.rand(2000, config.channels, config.size, config.size) * 2 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of every probe, and its share of a training step.")
    parser.add_argument("--recipe", default="digits-gn", choices=sorted(RECIPES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=30)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = torch.device(asked.device)
    subject = Subject(RECIPES[asked.recipe](), device)
    probes = list(subject.probes())

    turns = [Measured("training step", subject.training_step, 1), *probes]
    times: dict[str, list[float]] = {turn.name: [] for turn in turns}
    for _ in range(asked.rounds + 1):
        for turn in turns:
            times[turn.name].append(milliseconds(turn.call, device))
    # The first round warms up.
    medians = {name: statistics.median(measured[1:]) for name, measured in times.items()}

    step = medians["training step"]
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{asked.threads} threads"
    weights = sum(p.numel() for network in (subject.G, subject.D) for p in network.parameters())
    print(f"{asked.recipe}: {weights:,} parameters, batch {subject.config.batch.d}, {where}")
    print(f"a training step without probes: {step:.3f} ms\n")
    print(f"{'probe':<16}{'ms a call':>10}{'every':>8}{'ms a step':>11}{'of a step':>11}")
    total = 0.0
    for probe in probes:
        each = medians[probe.name] / probe.every
        total += each
        print(
            f"{probe.name:<16}{medians[probe.name]:>10.3f}{probe.every:>8}{each:>11.4f}{each / step:>11.2%}"
        )
    print(f"{'default schedule':<16}{'':>18}{total:>11.4f}{total / step:>11.2%}")


def milliseconds(call: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
