"""What is settled before the first step: the schedule, the networks as they are, and whether everything
fits together.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from .judges import Judge, Scores
from .probe import Batch, Probe, Subject
from .registry import PROBES, Every
from .sample_grid import LatentSource, normal_latents
from .undisturbed import undisturbed

#: What is measured unless ``every`` says otherwise.
SCHEDULE: Final[Mapping[str, Every]] = {
    "angles": 1,
    "epoch_angles": "epoch",
    "quality": "epoch",
    "samples": "epoch",
    **{name: listed.every for name, listed in PROBES.items()},
}
#: Counted in steps alone, or in marks alone; probes of the critic may be counted in either.
OF_STEPS: Final = {"angles"}
OF_MARKS: Final = {"epoch_angles", "quality", "samples"}


def schedule(every: Mapping[str, Every]) -> dict[str, Every]:
    """``SCHEDULE`` with the changes of ``every``."""
    for probe, often in every.items():
        if probe not in SCHEDULE:
            raise ValueError(f"every names {probe!r}, and the probes are {', '.join(SCHEDULE)}")
        counts_steps = probe not in OF_MARKS and type(often) is int and often > 0
        counts_marks = probe not in OF_STEPS and often == "epoch"
        if often is not None and not counts_steps and not counts_marks:
            wanted = {"a number of steps from 1 up": OF_MARKS, '"epoch"': OF_STEPS}
            choice = " or ".join(words for words, others in wanted.items() if probe not in others)
            raise ValueError(f"every[{probe!r}] = {often!r}: pass {choice}, or None to leave it out")
    return {**SCHEDULE, **every}


def missing(probe: str, wanted: str) -> TypeError:
    """That ``probe`` was not given what it needs."""
    return TypeError(f'the probe {probe!r} needs {wanted}; or go without it: every={{"{probe}": None}}')


def unwrapped(network: nn.Module) -> nn.Module:
    """The module inside DistributedDataParallel, DataParallel and torch.compile: probes call it without
    their machinery.
    """
    while True:
        if isinstance(network, nn.parallel.DistributedDataParallel | nn.DataParallel):
            network = network.module
        elif isinstance(inner := getattr(network, "_orig_mod", None), nn.Module):
            network = inner
        else:
            return network


def latent_source(z: int | Sequence[int] | LatentSource) -> LatentSource:
    if callable(z):
        return z
    return normal_latents((z,) if isinstance(z, int) else tuple(z))


def batch_of(given: Tensor | tuple[Tensor, ...]) -> Batch:
    """Images, or a tuple of images and what the critic takes beside them, out of their graph."""
    images, *conditions = given if isinstance(given, tuple) else (given,)
    return Batch(images.detach(), tuple(condition.detach() for condition in conditions))


def rehearse(subject: Subject, probes: Mapping[str, Probe], judges: Sequence[Judge], *, draws: bool) -> None:
    """Call everything once with two images, so that what does not fit is known now and not at the end of an
    epoch.
    """
    if subject.sampler is None:
        return
    with undisturbed(subject.sampler.G, subject.G, subject.D, subject.critic):
        try:
            images = next(subject.sampler.batches(2))
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise ValueError(
                f"G cannot draw samples from z: {error}. Pass z=..., what G takes for one sample"
            ) from error
        if images.dim() != 4 or (draws and images.shape[1] not in {1, 3}):
            raise ValueError(f"G draws {list(images.shape)}: only images [N, 1 or 3, H, W] can be shown")
        with torch.no_grad():
            for judge in judges:
                _check(judge, judge.score(images))
        for name, probe in probes.items():
            try:
                probe.measure(Batch(images), Batch(images))
            except (TypeError, ValueError, RuntimeError, IndexError) as error:
                raise ValueError(
                    f"{name} need a critic that is called with images and differentiable by them: {error}. "
                    f'Pass critic=..., or every={{"{name}": None}} to go without'
                ) from error


def _check(judge: Judge, scores: object) -> None:
    """Whether what it says of two images is what it says that it says."""
    if not isinstance(scores, Scores):
        raise TypeError(f"judge {judge.name}: score() must return Scores(quality, mode)")
    for what, given, promised in (
        ("quality", scores.quality, judge.gives_quality),
        ("mode", scores.mode, judge.m is not None),
    ):
        if (given is not None) != promised or (given is not None and given.shape != (2,)):
            found = "no" if given is None else list(given.shape)
            raise ValueError(
                f"judge {judge.name} has gives_quality={judge.gives_quality} and m={judge.m}, and of two "
                f"images it gives {found} {what}"
            )
