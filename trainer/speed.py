"""How the networks are called while they are trained, as a configuration's ``speed`` has it.

The networks themselves stay what they are: probes, averages and checkpoints see plain modules in float32.

=================  ===================================================================================
``precision``      bf16: layers compute in bfloat16 under autocast; weights, their gradients, losses and
                   the norms of gradients stay in float32
``compile``        ``torch.compile`` of the generator and the critic; a critic that differentiates twice
                   is left as it is, for that cannot be compiled
``channels_last``  weights and activations in NHWC, which convolutions on most devices prefer
``cuda_graphs``    the compiled code is recorded once and replayed, which saves the launches of kernels
=================  ===================================================================================

Each changes roundings, and so the weights; under each of them a training goes on bit for bit.
"""

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
from torch import Tensor, nn

from trainer.config import Speed
from trainer.critics import Critic, GradientNormalizedCritic
from trainer.errors import ConfigError

logger = logging.getLogger(__name__)

COMPILERS: Final = ("gcc", "g++", "cc", "clang")


def refuse_impossible(speed: Speed, device: torch.device) -> None:
    """Before anything begins."""
    if speed.cuda_graphs and device.type != "cuda":
        raise ConfigError(
            f"speed.cuda-graphs: a {device.type} has none: pass --device cuda, or --speed.no-cuda-graphs"
        )
    if speed.cuda_graphs and not speed.compile:
        raise ConfigError("speed.cuda-graphs records compiled code: add --speed.compile")
    named = os.environ.get("CXX") or os.environ.get("CC")
    if speed.compile and not any(shutil.which(name) for name in ([named] if named else COMPILERS)):
        raise ConfigError(
            "speed.compile needs a C++ compiler, and there is none: install g++, or pass --speed.no-compile"
        )


class Calls:
    """How the networks of one training are placed and called."""

    def __init__(self, speed: Speed, device: torch.device) -> None:
        refuse_impossible(speed, device)
        self.speed = speed
        self.device = device

    def place(self, network: nn.Module) -> nn.Module:
        network = network.to(self.device)
        if self.speed.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def generator(self, G: nn.Module) -> Callable[..., Tensor]:
        """What is called in place of G."""
        if not (self.speed.compile or self.is_mixed):
            return G
        forward = self.compiled(G)

        def generate(*inputs: Tensor | None) -> Tensor:
            with self.precision():
                images: Tensor = forward(*inputs)
            # A replayed graph writes its next images where these lie.
            return images.to(torch.float32, copy=self.speed.cuda_graphs)

        return generate

    def critic(self, critic: Critic) -> Critic:
        """What the loss sees in place of the critic."""
        return CalledCritic(critic, self) if self.speed.compile or self.is_mixed else critic

    def begin_step(self) -> None:
        """What replayed graphs made in the step before is not needed any more."""
        if self.speed.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

    @property
    def is_mixed(self) -> bool:
        return self.speed.precision == "bf16"

    def precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.is_mixed else nullcontext()

    def compiled(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        if not self.speed.compile:
            return function
        mode = "reduce-overhead" if self.speed.cuda_graphs else None
        return torch.compile(function, mode=mode, dynamic=False)


class CalledCritic:
    """A critic, called as ``Calls`` say. Scores come out in float32."""

    def __init__(self, critic: Critic, calls: Calls) -> None:
        self.critic = critic
        self.calls = calls
        self.D = critic.D
        self.mixes_samples = critic.mixes_samples
        self.compiled = calls.compiled(critic.__call__)
        self.has_said_why = not calls.speed.compile

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        is_plain = self.differentiates_twice(has_labels=labels is not None)
        if is_plain and not self.has_said_why:
            self.has_said_why = True
            logger.info("the critic differentiates twice, and is not compiled; the generator is")
        with self.calls.precision():
            h = (self.critic if is_plain else self.compiled)(images, labels).float()
        if self.calls.speed.cuda_graphs and isinstance(self.critic, GradientNormalizedCritic):
            # As with images, and this outlives the step.
            self.critic.undefined = self.critic.undefined.clone()
        return h

    def gradient(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        with self.calls.precision():
            return self.critic.gradient(images, labels).float()

    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        with self.calls.precision():
            h, blocks = self.critic.features(images, labels)
            return h.float(), [block.float() for block in blocks]

    def differentiates_twice(self, *, has_labels: bool) -> bool:
        return self.critic.differentiates_twice(has_labels=has_labels)

    def numbers(self) -> dict[str, Tensor]:
        return self.critic.numbers()

    def state_dict(self) -> dict[str, Tensor]:
        return self.critic.state_dict()

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        self.critic.load_state_dict(state)
