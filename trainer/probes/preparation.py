"""What is settled before the first step: the schedule, the networks as they are, and whether everything
fits together.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import Final

import torch
from torch import Tensor, nn

from .judges import Judge, seats
from .judges.beside import Beside
from .judges.fitted import fitted_judge
from .judging import Here, Panel
from .probe import Batch, Probe, Subject
from .real_images import dataset_of, draw_to_fit
from .registry import PROBES, Every
from .sample_grid import BATCH, LatentSource, Sampler, normal_latents
from .stability import OF_STEPS
from .undisturbed import undisturbed

logger = logging.getLogger(__name__)

#: What is measured unless ``every`` says otherwise.
SCHEDULE: Final[Mapping[str, Every]] = {
    "angles": 1,
    "layer_angles": 50,
    "epoch_angles": "epoch",
    "quality": "epoch",
    "samples": "epoch",
    **{name: listed.every for name, listed in PROBES.items()},
}
#: Images that a judge is fitted on at most, where none is named.
MOST: Final = 20_000
#: Reading them is told aloud if it takes longer, in seconds.
LONG: Final = 10.0
#: Counted in marks alone; those of ``stability.OF_STEPS`` in steps alone, probes of the critic in either.
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
    # Layers share the copy of the weights that whole networks are compared with.
    without = {"layer_angles": None} if every.get("angles", 1) is None else {}
    return {**SCHEDULE, **without, **every}


def missing(probes: Sequence[str], wanted: str) -> TypeError:
    """That ``probes`` were not given what they need."""
    named = " and ".join(map(repr, probes))
    need = f"the probes {named} need" if len(probes) > 1 else f"the probe {named} needs"
    without = ", ".join(f'"{probe}": None' for probe in probes)
    return TypeError(f"{need} {wanted}; or go without: every={{{without}}}")


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


def batch_of(given: Tensor | Sequence[Tensor]) -> Batch:
    """Images, or a tuple or list of images and what the critic takes beside them, out of their graph."""
    images, *conditions = (given,) if isinstance(given, Tensor) else given
    return Batch(images.detach(), tuple(condition.detach() for condition in conditions))


def sampler_of(
    G: nn.Module, z: int | Sequence[int] | LatentSource | None, seed: int, every: Mapping[str, Every]
) -> Sampler | None:
    """What draws the samples; None if nothing needs any. Where ``z`` is not said, G is asked."""
    wanting = [probe for probe in ("quality", "samples") if every[probe]]
    if z is not None:
        return Sampler(G, latent_source(z), seed)
    if not wanting:
        return None
    for shape in latent_shapes(G):
        sampler = Sampler(G, normal_latents(shape), seed)
        try:
            drawn(sampler, 2)
        except ValueError:
            continue
        logger.info("z is not given: samples are drawn from normal latents of shape %s", list(shape))
        return sampler
    raise missing(
        wanting, "z=..., what G takes for one sample (a size, a shape, or (n, generator) -> inputs)"
    )


def latent_shapes(G: nn.Module) -> Iterator[tuple[int, ...]]:
    """What a generator probably takes, by what it says of itself and by its first layer."""
    for name in ("z_dim", "latent_dim", "nz", "dim_z", "z_size", "latent_size"):
        if isinstance(size := getattr(G, name, None), int):
            yield from ((size,), (size, 1, 1))
    for layer in G.modules():
        if isinstance(layer, nn.Linear):
            yield (layer.in_features,)
            return
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            yield (layer.in_channels, 1, 1)
            return


def panel_of(
    judge: Judge | Sequence[Judge] | Beside | None, subject: Subject, real: object, every: Mapping[str, Every]
) -> Panel:
    """Those who judge, if quality is to be measured; if none are named, one that is fitted on ``real``."""
    assert subject.sampler
    samples = drawn(subject.sampler, 2)
    if not every["quality"]:
        return Here()
    if subject.real is None:
        raise missing(["quality"], "real=..., images to compare with")
    if judge is None:
        judge = judge_of(real, samples.device)
    if isinstance(judge, Sequence) and not judge:
        raise missing(["quality"], "judge=..., what scores samples")
    panel = judge.open(samples.device) if isinstance(judge, Beside) else Here(seats(judge))
    with ExitStack() as unless_fit:
        unless_fit.callback(panel.close)
        with undisturbed(subject.G), torch.no_grad():
            for images in (samples, subject.real[:2].to(samples.device)):
                panel.rehearse(images)
        unless_fit.pop_all()
    return panel


def judge_of(real: object, device: torch.device) -> Judge:
    """Fitted on ``real``. What that takes is told before."""
    n, began = min(MOST, len(dataset_of(real))), monotonic()
    few, _ = draw_to_fit(real, BATCH, seed=0)
    seconds = (monotonic() - began) * n / len(few)
    logger.log(
        logging.WARNING if seconds > LONG else logging.INFO,
        "no judge is given: one is fitted on %d real images, which take about %.0f s to read; judge= names "
        "another",
        n,
        seconds,
    )
    return fitted_judge(*draw_to_fit(real, MOST, seed=0), device=device)


def rehearse(subject: Subject, probes: Mapping[str, Probe]) -> list[nn.Module] | None:
    """Call every probe once with two images: what does not fit is known now and not in mid-training.

    A critic that wants more than images is given what the generator has beside its latents. Returns which
    modules the critic calls besides D; None without samples to find out from.
    """
    if subject.sampler is None:
        return None
    images = drawn(subject.sampler, 2)
    with undisturbed(*subject.called) as visit, visit.finding():
        conditions = next(subject.sampler.inputs(2))[1:]
        for name, probe in probes.items():
            problems = [problem_of(probe, Batch(images, given)) for given in dict.fromkeys(((), conditions))]
            if all(problems):
                raise ValueError(
                    f"the probe {name!r} needs a critic that is called with images, or with what "
                    "step(real=(x, y), fake=(g, y)) has beside them, and differentiable by images: "
                    f'{problems[0]}. Pass critic=..., or go without: every={{"{name}": None}}'
                ) from problems[0]
    return visit.found


def problem_of(probe: Probe, batch: Batch) -> Exception | None:
    try:
        probe.rehearse(batch, batch)
    except Exception as error:  # noqa: BLE001  whatever it is, it is told with what to pass
        return error
    return None


def drawn(sampler: Sampler, n: int) -> Tensor:
    """``n`` samples, if G can draw any."""
    with undisturbed(sampler.G):
        try:
            images = next(sampler.batches(n))
        except Exception as error:
            raise ValueError(
                f"G cannot draw samples from z: {error}. Pass z=..., what G takes for one sample: a size, a "
                "shape, or (n, generator) -> inputs, such as latents and labels (z, y)"
            ) from error
    if not isinstance(images, Tensor):
        raise ValueError(
            f"G draws a {type(images).__name__}: pass a module around it that returns the images alone"
        )
    if images.dim() != 4 or images.shape[1] not in {1, 3}:
        raise ValueError(
            f"G draws {list(images.shape)}: only images [N, 1 or 3, H, W] can be shown and judged"
        )
    return images
