"""What is settled before the first step: the schedule, the networks as they are, and whether everything
fits together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import torch
from torch import Tensor, nn

from .gradient_norms import gradient_norms
from .judges import Judge, Scores
from .sample_grid import LatentSource, Sampler, normal_latents
from .undisturbed import undisturbed

#: How often a probe measures: every so many generator steps, at every mark, or never.
Every = int | Literal["epoch"] | None

#: What is measured unless ``every`` says otherwise.
SCHEDULE: Final[Mapping[str, Every]] = {
    "angles": 1,
    "gradient_norms": 50,
    "epoch_angles": "epoch",
    "quality": "epoch",
    "samples": "epoch",
}


def schedule(every: Mapping[str, Every]) -> dict[str, Every]:
    """``SCHEDULE`` with the changes of ``every``. A probe counts in steps or in marks, never in the other."""
    for probe, often in every.items():
        if probe not in SCHEDULE:
            raise ValueError(f"every names {probe!r}, and the probes are {', '.join(SCHEDULE)}")
        is_of_marks = SCHEDULE[probe] == "epoch"
        fits = often == "epoch" if is_of_marks else type(often) is int and often > 0
        if often is not None and not fits:
            wanted = '"epoch"' if is_of_marks else "a number of steps from 1 up"
            raise ValueError(f"every[{probe!r}] = {often!r}: pass {wanted}, or None to leave it out")
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


def rehearse(
    sampler: Sampler,
    D: nn.Module,
    critic: Callable[[Tensor], Tensor] | None,
    judges: Sequence[Judge],
    *,
    draws: bool,
) -> None:
    """Call everything once with two images, so that what does not fit is known now and not at the end of an
    epoch.
    """
    with undisturbed(sampler.G, D, critic):
        try:
            images = next(sampler.batches(2))
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise ValueError(
                f"G cannot draw samples from z: {error}. Pass z=..., what G takes for one sample"
            ) from error
        if images.dim() != 4 or (draws and images.shape[1] not in {1, 3}):
            raise ValueError(f"G draws {list(images.shape)}: only images [N, 1 or 3, H, W] can be shown")
        with torch.no_grad():
            for judge in judges:
                _check(judge, judge.score(images))
        if critic:
            try:
                gradient_norms(critic, images)
            except (TypeError, ValueError, RuntimeError, IndexError) as error:
                raise ValueError(
                    "gradient norms need a critic that is called with images and differentiable by them: "
                    f"{error}. Pass "
                    'critic=..., or every={"gradient_norms": None} to go without'
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
