"""What a gradient-normalized critic costs in training, by the way in which its gradients are taken.

    python benchmarks/training.py                                    # CNN and ResNet at 32 pixels
    python benchmarks/training.py --networks resnet-32 --batch 16 --threads 1 --channels-last
    python benchmarks/training.py --device cuda --networks cnn-32 resnet-32 resnet-128 --batch 64 --compile

Compared in one run, on the same networks, images, layout and precision: the plain critic (hinge loss, no
normalization); GN by double backward, the reference; GN in five passes and in four
(trainer/critics/frozen.py). With ``--compile`` all but double backward, which cannot be, also compiled; with
``--bf16`` all also in mixed precision. Ratios are to the plain critic of the same kind. Four convolution
passes where a plain discriminator step has three: 4/3 of it is the floor of the four-pass form.

A D step is loss and gradients for ``batch`` real and as many generated images, its images/s count both; a G
step is the same for 2 x ``batch`` latents; a whole step is ``n_dis`` D steps, for which images are generated,
and one G step, with Adam, its images/s count real images. Memory is the most that a D step allocates beyond
weights and images. All contenders take turns; a ratio is the median over rounds of ratios within a round, so
that a busy machine slows both sides. With one thread on a CPU it is processor time that is measured.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import torch
from torch import Tensor
from torch.autograd import backward
from torch.profiler import ProfilerActivity, profile

from trainer import config, critics, networks
from trainer.config import Config, Speed
from trainer.critics import Critic, Form
from trainer.losses import LOSSES
from trainer.optimizer import ResumableAdam
from trainer.recipes import RECIPES
from trainer.speed import Calls

#: The papers' settings; only the size of the images differs from them.
NETWORKS: Final = {
    "cnn-32": ("gn-cifar10-cnn", 32),
    "resnet-32": ("gn-cifar10-resnet", 32),
    "cnn-128": ("gn-cifar10-cnn", 128),
    "resnet-128": ("gn-celebahq128", 128),
}
FLOOR: Final = 4 / 3
STEPS: Final = ("D step", "G step", "whole step")

Way = Literal["plain", "double-backward", "five-pass", "four-pass"]
WAYS: Final[tuple[Way, ...]] = ("plain", "double-backward", "five-pass", "four-pass")


@dataclass(frozen=True)
class Contender:
    way: Way
    precision: Literal["float32", "bf16"]
    compiled: bool

    @property
    def name(self) -> str:
        return " ".join(
            [self.way, *(["bf16"] if self.precision == "bf16" else []), *(["compiled"] * self.compiled)]
        )

    @property
    def rival(self) -> "Contender":
        """What it is compared with."""
        return replace(self, way="plain")


class Subject:
    """The networks that all contenders train."""

    def __init__(self, settings: Config, device: torch.device, channels_last: bool) -> None:
        torch.manual_seed(0)
        self.settings = settings
        self.device = device
        self.channels_last = channels_last
        place = Calls(Speed(channels_last=channels_last), device).place
        self.G, self.D = (place(network) for network in networks.build(settings))
        self.loss = LOSSES["hinge"]
        self.optimizers = [
            ResumableAdam(network, rate, settings.adam)
            for network, rate in ((self.G, settings.lr.g), (self.D, settings.lr.d))
        ]
        size = (2 * settings.batch.d, settings.channels, settings.size, settings.size)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.images = (torch.rand(size, device=device) * 2 - 1).to(memory_format=layout)

    def latents(self, n: int) -> Tensor:
        return torch.randn(n, self.settings.network.z_dim, device=self.device)


class Training:
    """Of one contender."""

    def __init__(self, contender: Contender, subject: Subject) -> None:
        self.subject = subject
        speed = Speed(
            precision=contender.precision, compile=contender.compiled, channels_last=subject.channels_last
        )
        calls = Calls(speed, subject.device)
        self.critic = calls.critic(self._critic(contender.way))
        self.G = calls.generator(subject.G)
        self.steps: dict[str, Callable[[], object]] = {
            "D step": lambda: self.discriminator_step(subject.images),
            "G step": self.generator_step,
            "whole step": self.whole_step,
        }

    def _critic(self, way: Way) -> Critic:
        if way == "plain":
            return critics.build(config.Critic(kind="raw"), self.subject.D)
        form: Form = way
        return critics.build(config.Critic(kind="gn"), self.subject.D, form)

    def discriminator_step(self, images: Tensor) -> None:
        self.subject.D.zero_grad()
        h = self.critic(images)
        backward(self.subject.loss.discriminator(*h.chunk(2)))

    def generator_step(self) -> None:
        subject = self.subject
        subject.D.requires_grad_(False)
        subject.G.zero_grad()
        backward(subject.loss.generator(self.critic(self.G(subject.latents(len(subject.images))))))
        subject.D.requires_grad_(True)

    def whole_step(self) -> None:
        subject = self.subject
        for_G, for_D = subject.optimizers
        real, _ = subject.images.chunk(2)
        for _ in range(subject.settings.n_dis):
            with torch.no_grad():
                fake = self.G(subject.latents(len(real)))
            self.discriminator_step(torch.cat([real, fake]))
            for_D.step()
        self.generator_step()
        for_G.step()

    def memory(self) -> float:
        """The most that a D step allocates, in MiB."""
        subject = self.subject
        subject.D.zero_grad()
        if subject.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.discriminator_step(subject.images)
            return (torch.cuda.max_memory_allocated() - before) / 2**20
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            self.discriminator_step(subject.images)
        return peak(recorded) / 2**20


def peak(recorded: profile) -> int:
    """The most bytes that were held at once."""
    assert recorded.profiler is not None
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return highest


def seconds(call: Callable[[], object], device: torch.device, threads: int) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    clock = time.process_time if device.type == "cpu" and threads == 1 else time.perf_counter
    began = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - began


def contenders(asked: argparse.Namespace) -> Iterator[Contender]:
    for precision in ("float32", "bf16") if asked.bf16 else ("float32",):
        for compiled in (False, True) if asked.compile else (False,):
            for way in WAYS:
                if not (compiled and way == "double-backward"):
                    yield Contender(way, precision, compiled)


def measure(name: str, asked: argparse.Namespace, device: torch.device) -> None:
    recipe, size = NETWORKS[name]
    base = RECIPES[recipe]()
    network = base.network
    if asked.width is not None:
        network = replace(network, width_g=asked.width, width_d=asked.width)
    batch = replace(base.batch, d=asked.batch)
    subject = Subject(replace(base, size=size, batch=batch, network=network), device, asked.channels_last)
    trainings = {contender: Training(contender, subject) for contender in contenders(asked)}

    times: dict[tuple[Contender, str], list[float]] = {(c, step): [] for c in trainings for step in STEPS}
    for turn in range(asked.rounds + 1):
        for step in STEPS:
            for contender, training in trainings.items():
                spent = seconds(training.steps[step], device, asked.threads)
                if turn > 0:  # the first warms up, and compiles
                    times[contender, step].append(spent)
    memory = {contender: training.memory() for contender, training in trainings.items()}

    def ratio(contender: Contender, rival: Contender, step: str) -> float:
        pairs = zip(times[contender, step], times[rival, step], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {asked.threads} threads"
    layout = "channels-last" if asked.channels_last else "channels-first"
    print(f"\n{name}: batch {asked.batch}, n_dis {subject.settings.n_dis}, {layout}, {where}")
    print(f"{'':<26}" + "".join(f"{step:>20}" for step in (*STEPS, "memory")))
    print(f"{'':<26}" + f"{'images/s':>12}{'ratio':>8}" * len(STEPS) + f"{'MiB':>12}{'ratio':>8}")
    images = {"D step": 2, "G step": 2, "whole step": subject.settings.n_dis}
    for contender in trainings:
        row = f"{contender.name:<26}"
        for step in STEPS:
            rate = images[step] * asked.batch / statistics.median(times[contender, step])
            row += f"{rate:>12.1f}{ratio(contender, contender.rival, step):>8.3f}"
        print(row + f"{memory[contender]:>12.1f}{memory[contender] / memory[contender.rival]:>8.3f}")
    for contender in trainings:
        if contender.way == "four-pass":
            now = ratio(contender, contender.rival, "D step")
            line = f"{contender.name}: D step {now:.3f} of plain, the floor {FLOOR:.3f}, {now - FLOOR:+.3f}"
            reference = Contender("double-backward", contender.precision, compiled=False)
            faster = ", ".join(f"{step} {ratio(reference, contender, step):.2f}" for step in STEPS)
            print(f"{line}; times as fast as double backward: {faster}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What gradient normalization costs, way by way.")
    parser.add_argument("--networks", nargs="+", default=["cnn-32", "resnet-32"], choices=sorted(NETWORKS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=64, help="real images of a discriminator step")
    parser.add_argument("--width", type=int, help="channels nearest to the image, instead of the recipe's")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true", help="measure compiled contenders as well")
    parser.add_argument("--bf16", action="store_true", help="measure mixed precision as well")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # else the profiler talks about itself
    for name in asked.networks:
        measure(name, asked, torch.device(asked.device))


if __name__ == "__main__":
    main()
