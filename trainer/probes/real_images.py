"""Real images for the probes that compare with them, taken without disturbing what training draws."""

import operator
import random
from collections.abc import Callable, Iterator, Sequence, Sized
from typing import Any, Protocol, SupportsIndex, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .judges.classifier import shrunk
from .sample_grid import BATCH
from .undisturbed import undisturbed


class ImageDataset(Sized, Protocol):
    def __getitem__(self, index: int, /) -> Any: ...


def draw_real(real: object, n: int, seed: int) -> Tensor:
    """``n`` different images (all, if there are fewer) as float32 ``[n, C, H, W]``, the same at every call.

    ``real``: images ``[N, C, H, W]``, in [-1, 1] or uint8, as a tensor or array; or a dataset, or a loader of
    one, whose items are such images or begin with them. A loader is not iterated: its order and its
    generators belong to training.
    """
    images, _ = _draw(real, n, seed, _as_floats)
    return images


def draw_to_fit(real: object, n: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """The same as uint8 and no larger than a fitted judge sees them, since those are many; with int64 labels
    ``[n]`` where all items are pairs of an image and a whole number.
    """
    return _draw(real, n, seed, lambda images: _as_bytes(shrunk(_as_floats(images))))


def dataset_of(real: object) -> ImageDataset:
    """What can be drawn from."""
    source = real.dataset if isinstance(real, DataLoader) else real
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise TypeError(
            f"real is {type(real).__name__}: pass real=images, a tensor [N, C, H, W] in [-1, 1], or a "
            "dataset (or its loader) that has a length and whose items can be taken by number"
        )
    dataset = cast("ImageDataset", source)
    if len(dataset) == 0:
        raise ValueError("real holds no images")
    return dataset


def _draw(real: object, n: int, seed: int, kept: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor | None]:
    dataset = dataset_of(real)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(dataset), generator=generator, device="cpu")[:n]
    images: list[Tensor] = []
    labels: list[int] = []
    with undisturbed():
        # A dataset may flip or crop at random. torch.manual_seed would seed every GPU's generator too.
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        for taken, labels_of_taken in _take(dataset, chosen):
            images.append(kept(taken))
            labels += labels_of_taken
    of_all = torch.tensor(labels, device="cpu") if len(labels) == len(chosen) else None
    return torch.cat(images), of_all


def _take(dataset: ImageDataset, chosen: Tensor) -> Iterator[tuple[Tensor, list[int]]]:
    """A few images ``[k, C, H, W]`` at a time, and their labels, if they have any."""
    if isinstance(dataset, Tensor | np.ndarray):
        for part in torch.split(chosen, BATCH):
            if isinstance(dataset, Tensor):
                yield dataset.detach()[part.to(dataset.device)], []
            else:
                yield torch.from_numpy(dataset[part.numpy()]), []
        return
    shape: Sequence[int] | None = None
    for index in chosen.tolist():
        item = dataset[index]
        image, *more = item if isinstance(item, tuple | list) else (item,)
        if not isinstance(image, Tensor | np.ndarray) or image.shape != (shape or image.shape):
            found = f"{type(image).__name__} {list(getattr(image, 'shape', []))}"
            raise TypeError(
                f"item {index} of real is or begins with {found}: pass real=images, or a dataset whose items "
                "are or begin with tensors [C, H, W] of one size"
            )
        shape = image.shape
        image = image if isinstance(image, Tensor) else torch.from_numpy(image)
        yield image[None], [number for number in map(_whole, more[:1]) if number is not None]


def _as_floats(images: Tensor) -> Tensor:
    images = images.float().div(127.5).sub(1) if images.dtype == torch.uint8 else images.float()
    if images.dim() != 4 or not bool((images.abs() <= 1.001).all()):
        raise ValueError(
            f"real images are {list(images.shape)} from {images.min():g} to {images.max():g}: "
            "pass [N, C, H, W] in [-1, 1], or as uint8"
        )
    return images


def _as_bytes(images: Tensor) -> Tensor:
    return images.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def _whole(value: object) -> int | None:
    """A label, if it is one."""
    try:
        return operator.index(cast("SupportsIndex", value))
    except TypeError:
        return None
