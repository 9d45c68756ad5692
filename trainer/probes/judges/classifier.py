"""A judge of any labelled data set: a small convolutional classifier, fitted once on the training set.

``q`` is its highest softmax probability, the mode is its class. A plain classifier answers noise with 0.7, so
this one is also shown what is no image of the set (noise, scrambled images, two images of different classes
laid over each other) with the uniform distribution as the answer.

It sees images at up to 64 pixels a side; larger ones are averaged down. Fitted from a generator of its own,
so that the same data give the same judge, and cached under a hash of the data and of this file.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, log_softmax, softmax

from . import Scores
from .cache import Cached, key_of

logger = logging.getLogger(__name__)

#: Pixels a side beyond which images are averaged down.
LARGEST: Final = 64
#: Images that are scored at a time.
BATCH: Final = 512


@dataclass(frozen=True)
class Fit:
    """How a classifier is fitted."""

    #: Channels of the convolutions: the first keeps the size, each further one halves it.
    widths: tuple[int, ...]
    epochs: int
    held_out: int
    batch: int = 128
    peak_rate: float = 4e-3
    #: How much the images that are none of the set count, against those of it.
    outlier_weight: float = 0.5


def fit_for(n: int, size: int) -> Fit:
    """Enough for ``n`` images of ``size`` pixels a side: halved down to 4 pixels, 200,000 images seen."""
    widths = [32]
    while min(size, LARGEST) > 4 << (len(widths) - 1):
        widths.append(min(2 * widths[-1], 128))
    held_out = max(1, min(n // 5, 5000))
    epochs = min(40, max(4, round(200_000 / (n - held_out))))
    return Fit(tuple(widths), epochs, held_out, batch=min(128, n - held_out))


@dataclass(eq=False)
class ClassifierJudge:
    """A ``Judge`` of images ``[N, C, H, W]`` of the shape it was fitted on."""

    name: str
    help: str
    #: In eval mode.
    network: nn.Module
    #: Of images as it sees them.
    shape: torch.Size
    #: What its classes are called.
    modes: tuple[str, ...]
    #: On images it was not fitted on.
    accuracy: float
    gives_quality: bool = True

    @property
    def m(self) -> int:
        return len(self.modes)

    @torch.no_grad()
    def score(self, images: Tensor) -> Scores:
        seen = shrunk(images.float()) if images.dim() == 4 else images
        if seen.shape[1:] != self.shape:
            wanted = ", ".join(map(str, self.shape))
            raise ValueError(f"{self.name} judges images [N, {wanted}] in [-1, 1], not {list(images.shape)}")
        self.network.to(seen.device)
        probability, mode = softmax(self.network(seen), dim=1).max(dim=1)
        return Scores(probability, torch.where(probability.isnan(), -1, mode))


class Split(NamedTuple):
    #: Floats in [-1, 1], or uint8.
    images: Tensor
    labels: Tensor
    held_out_images: Tensor
    held_out_labels: Tensor

    @property
    def classes(self) -> int:
        return int(torch.cat([self.labels, self.held_out_labels]).max()) + 1


def classifier_judge(
    images: Tensor,
    labels: Tensor,
    *,
    name: str = "classifier",
    of: str = "the training set",
    classes: Sequence[str] = (),
    fit: Fit | None = None,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
) -> ClassifierJudge:
    """The judge of ``images`` ``[N, C, H, W]``, floats in [-1, 1] or uint8, and their ``labels`` ``[N]``.

    From ``cache`` (default: ganwatch in the user's cache folder) or freshly fitted on ``device`` and put
    there. ``classes``: what they are called, by their numbers, if not by those.
    """
    if images.dim() != 4 or labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            "a classifier is fitted on images [N, C, H, W] and whole labels [N], not "
            f"{list(images.shape)} and {labels.dtype} {list(labels.shape)}"
        )
    if int(labels.min()) < 0 or int(labels.max()) < 1:
        raise ValueError(
            f"labels go from {int(labels.min())} to {int(labels.max())}: a classifier needs at least two "
            "classes, counted from 0"
        )
    fit = fit or fit_for(len(images), images.shape[-1])
    labels = labels.long()
    data = split(images, labels, fit.held_out)
    cached = Cached(name, key_of(images, labels, repr(fit), Path(__file__)), cache)
    network = classifier(images.shape[1:], data.classes, fit.widths)
    stored = cached.read()
    if stored is None:
        logger.info("fitting a classifier on %d images, for Q and D: once, then it is kept", len(images))
        with torch.device("cpu"):  # where Adam counts its steps, whatever the loop's default
            train(network.to(device), data, fit)
        stored = {**network.state_dict(), "accuracy": accuracy(network, data)}
        cached.write(stored)
    right = stored.pop("accuracy").item()
    network.load_state_dict(stored)
    network.to(device).eval().requires_grad_(False)
    said = (
        f"Judged by a convolutional classifier of {of}, right on {right:.1%} of {fit.held_out} held-out "
        "images and trained to be unsure about what is none."
    )
    shape = shrunk(images[:1].float()).shape[1:]
    modes = tuple(classes) or tuple(f"class {number}" for number in range(data.classes))
    return ClassifierJudge(name, said, network, shape, modes, right)


def split(images: Tensor, labels: Tensor, held_out: int) -> Split:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0), device="cpu")
    known, unknown = order[held_out:], order[:held_out]
    return Split(images[known], labels[known], images[unknown], labels[unknown])


def train(network: nn.Sequential, data: Split, fit: Fit) -> None:
    """torch's own generators are not touched."""
    generator = torch.Generator().manual_seed(0)
    device = next(network.parameters()).device
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weight = torch.empty(layer.weight.shape)
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            with torch.no_grad():
                layer.weight.copy_(weight)
            nn.init.zeros_(cast("Tensor", layer.bias))
    optimizer = torch.optim.Adam(network.parameters(), lr=fit.peak_rate)
    per_epoch = len(data.images) // fit.batch
    steps = fit.epochs * per_epoch
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, fit.peak_rate, total_steps=steps)
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(fit.epochs):
            order = torch.randperm(len(data.images), generator=generator)
            for batch in torch.split(order, fit.batch)[:per_epoch]:
                images, labels = as_seen(data.images[batch]), data.labels[batch]
                strange = network(none_of_the_set(images, labels, generator).to(device))
                loss = cross_entropy(network(images.to(device)), labels.to(device))
                loss = loss - fit.outlier_weight * log_softmax(strange, dim=1).mean()
                optimizer.zero_grad()
                backward(loss)
                optimizer.step()
                rate.step()


@torch.no_grad()
def accuracy(network: nn.Module, data: Split) -> Tensor:
    device = next(network.parameters()).device
    batches = torch.split(data.held_out_images, BATCH)
    classes = torch.cat([network(as_seen(images).to(device)).argmax(dim=1).cpu() for images in batches])
    return (classes == data.held_out_labels).double().mean()


def classifier(shape: torch.Size, classes: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Its weights are not yet set: torch's defaults would draw from the global generator."""
    skip: Any = nn.utils.skip_init
    channels, height, width = shape[0], *(min(side, LARGEST) for side in shape[1:])
    layers: list[nn.Module] = [skip(nn.Conv2d, channels, widths[0], 3, padding=1), nn.ReLU()]
    for before, after in pairwise(widths):
        layers += [skip(nn.Conv2d, before, after, 3, padding=1, stride=2), nn.ReLU()]
        height, width = (height + 1) // 2, (width + 1) // 2
    return nn.Sequential(*layers, nn.Flatten(), skip(nn.Linear, widths[-1] * height * width, classes))


def none_of_the_set(images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """A quarter as many of each: noise, images with scrambled pixels, means of two of different classes."""
    count = len(images) // 4
    noise = torch.rand(count, *images.shape[1:], generator=generator) * 2 - 1
    scramble = torch.randperm(images.shape[2] * images.shape[3], generator=generator)
    scrambled = images[:count].flatten(2)[:, :, scramble].view_as(noise)
    partner = torch.randperm(len(images), generator=generator)[:count]
    differs = labels[:count] != labels[partner]
    return torch.cat([noise, scrambled, ((images[:count] + images[partner]) / 2)[differs]])


def as_seen(images: Tensor) -> Tensor:
    """Floats in [-1, 1], at most ``LARGEST`` pixels a side."""
    return shrunk(images.float().div(127.5).sub(1) if images.dtype == torch.uint8 else images.float())


def shrunk(images: Tensor) -> Tensor:
    height, width = (min(side, LARGEST) for side in images.shape[-2:])
    return images if images.shape[-2:] == (height, width) else adaptive_avg_pool2d(images, (height, width))
