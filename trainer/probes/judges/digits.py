"""The judge of scikit-learn's handwritten digits: a small convolutional classifier.

``q`` is its highest softmax probability, the mode is its class. A plain classifier answers noise with 0.7,
so this one is also shown what is no digit (noise, scrambled digits, two digits laid over each other) with
the uniform distribution as the answer: real digits keep about 0.94, noise about 0.11 (0.10 is the floor).

Trained once, in a few seconds on a CPU, from a generator of its own; cached under the hash of its data and
of this file.
"""

import hashlib
import logging
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.nn.functional import cross_entropy, log_softmax, softmax

from . import Scores

logger = logging.getLogger(__name__)

SIZE: Final = 8
CLASSES: Final = 10
HELD_OUT: Final = 360
EPOCHS: Final = 40
BATCH: Final = 128
PEAK_RATE: Final = 4e-3
#: How much the images that are no digits count, against the digits.
OUTLIER_WEIGHT: Final = 0.5


class DigitsJudge:
    """A ``Judge`` of images ``[N, 1, 8, 8]``."""

    name = "digits-classifier"
    gives_quality = True
    m = CLASSES

    def __init__(self, classifier: nn.Module, accuracy: float) -> None:
        self.classifier = classifier.eval().requires_grad_(False)
        #: On digits it was not trained on.
        self.accuracy = accuracy
        self.help = (
            f"Judged by a convolutional classifier of the handwritten digits, right on {accuracy:.1%} of "
            f"{HELD_OUT} held-out images and trained to be unsure about what is no digit."
        )

    @torch.no_grad()
    def score(self, images: Tensor) -> Scores:
        if images.dim() != 4 or images.shape[1:] != (1, SIZE, SIZE):
            raise ValueError(f"{self.name} judges images [N, 1, 8, 8] in [-1, 1], not {list(images.shape)}")
        self.classifier.to(images.device)
        probability, mode = softmax(self.classifier(images.float()), dim=1).max(dim=1)
        return Scores(probability, torch.where(probability.isnan(), -1, mode))


class Split(NamedTuple):
    images: Tensor
    labels: Tensor
    held_out_images: Tensor
    held_out_labels: Tensor


def digits_judge(cache: Path | None = None) -> DigitsJudge:
    """The judge, from ``cache`` (default: ganwatch in the user's cache folder) or freshly trained and put
    there.
    """
    images, labels = load_digits()
    key = _key(images, labels)
    path = (cache or cache_directory()) / f"{DigitsJudge.name}-{key[:16]}.npz"
    stored = _read(path, key)
    if stored is None:
        stored = train(split(images, labels))
        _write(path, key, *stored)
    return DigitsJudge(*stored)


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganwatch" / "judges"


def load_digits() -> tuple[Tensor, Tensor]:
    """1797 images ``[N, 1, 8, 8]`` in [-1, 1] and their labels."""
    try:
        from sklearn import datasets  # noqa: PLC0415  only this judge needs scikit-learn
    except ImportError as error:
        raise ImportError("the digits judge needs scikit-learn: pip install scikit-learn") from error
    digits = datasets.load_digits()
    images = torch.from_numpy(digits.images / 8 - 1).float().unsqueeze(1)
    return images, torch.from_numpy(digits.target.astype(np.int64))


def split(images: Tensor, labels: Tensor) -> Split:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    known, held_out = order[HELD_OUT:], order[:HELD_OUT]
    return Split(images[known], labels[known], images[held_out], labels[held_out])


def train(data: Split, epochs: int = EPOCHS) -> tuple[nn.Module, float]:
    """The classifier and its accuracy on what it was not shown. torch's own generators are not touched."""
    generator = torch.Generator().manual_seed(0)
    classifier = _classifier()
    for layer in classifier:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(cast("Tensor", layer.bias))
    optimizer = torch.optim.Adam(classifier.parameters(), lr=PEAK_RATE)
    per_epoch = len(data.images) // BATCH
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=epochs * per_epoch)
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(epochs):
            order = torch.randperm(len(data.images), generator=generator)
            for batch in torch.split(order, BATCH)[:per_epoch]:
                images, labels = data.images[batch], data.labels[batch]
                no_digits = classifier(_no_digits(images, labels, generator))
                loss = cross_entropy(classifier(images), labels)
                loss = loss - OUTLIER_WEIGHT * log_softmax(no_digits, dim=1).mean()
                optimizer.zero_grad()
                backward(loss)
                optimizer.step()
                rate.step()
    with torch.no_grad():
        is_right = classifier(data.held_out_images).argmax(dim=1) == data.held_out_labels
    return classifier, is_right.double().mean().item()


def _classifier() -> nn.Sequential:
    """Its weights are not yet set: torch's defaults would draw from the global generator."""
    skip: Any = nn.utils.skip_init
    return nn.Sequential(
        skip(nn.Conv2d, 1, 16, 3, padding=1),
        nn.ReLU(),
        skip(nn.Conv2d, 16, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        skip(nn.Conv2d, 32, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        skip(nn.Linear, 32 * 4, CLASSES),
    )


def _no_digits(images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """A quarter as many of each: noise, digits with scrambled pixels, means of two different digits."""
    count = len(images) // 4
    noise = torch.rand(count, 1, SIZE, SIZE, generator=generator) * 2 - 1
    scramble = torch.randperm(SIZE * SIZE, generator=generator)
    scrambled = images[:count].flatten(1)[:, scramble].view(count, 1, SIZE, SIZE)
    partner = torch.randperm(len(images), generator=generator)[:count]
    differs = labels[:count] != labels[partner]
    return torch.cat([noise, scrambled, ((images[:count] + images[partner]) / 2)[differs]])


def _key(images: Tensor, labels: Tensor) -> str:
    parts = [images.numpy().tobytes(), labels.numpy().tobytes(), Path(__file__).read_bytes()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _read(path: Path, key: str) -> tuple[nn.Module, float] | None:
    """The cached classifier, or None where there is none that can be trusted."""
    classifier = _classifier()
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            classifier.load_state_dict(
                {name: torch.from_numpy(stored[name]) for name in classifier.state_dict()}
            )
            return classifier, float(stored["accuracy"])
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, key: str, classifier: nn.Module, accuracy: float) -> None:
    """All or nothing: readers see the old file or the new one. A cache that cannot be written costs only
    time.
    """
    arrays = {name: tensor.numpy() for name, tensor in classifier.state_dict().items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.savez(file, key=np.array(key), accuracy=np.array(accuracy), **arrays)
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        logger.warning("the digits judge is not cached and will be trained again next time: %s", error)
