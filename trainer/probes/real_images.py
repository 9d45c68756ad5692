"""Real images for the probes that compare with them, taken without disturbing what training draws."""

import operator
import random
from collections.abc import Sized
from typing import Any, Protocol, SupportsIndex, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .undisturbed import undisturbed


class ImageDataset(Sized, Protocol):
    def __getitem__(self, index: int, /) -> Any: ...


def draw_real(real: object, n: int, seed: int) -> Tensor:
    """``n`` different images (all, if there are fewer) as float32 ``[n, C, H, W]``, the same at every call.

    ``real``: images ``[N, C, H, W]``, in [-1, 1] or uint8, as a tensor or array; or a dataset, or a loader of
    one, whose items are such images or begin with them. A loader is not iterated: its order and its
    generators belong to training.
    """
    images, _ = draw_labelled(real, n, seed)
    return images


def draw_labelled(real: object, n: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """The same, with int64 labels ``[n]`` where all items are pairs of an image and a whole number."""
    source = real.dataset if isinstance(real, DataLoader) else real
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise TypeError(
            f"real is {type(real).__name__}: pass real=images, a tensor [N, C, H, W] in [-1, 1], or a "
            "dataset (or its loader) that has a length and whose items can be taken by number"
        )
    dataset = cast("ImageDataset", source)
    if len(dataset) == 0:
        raise ValueError("real holds no images")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(dataset), generator=generator)[:n]
    with undisturbed():
        # A dataset may flip or crop at random. torch.manual_seed would seed every GPU's generator too.
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        images, labels = _take(dataset, chosen)
    images = images.float().div(127.5).sub(1) if images.dtype == torch.uint8 else images.float()
    if images.dim() != 4 or not bool((images.abs() <= 1.001).all()):
        raise ValueError(
            f"real images are {list(images.shape)} from {images.min():g} to {images.max():g}: "
            "pass [N, C, H, W] in [-1, 1], or as uint8"
        )
    return images, labels


def _take(dataset: ImageDataset, chosen: Tensor) -> tuple[Tensor, Tensor | None]:
    if isinstance(dataset, Tensor):
        return dataset.detach()[chosen.to(dataset.device)], None
    if isinstance(dataset, np.ndarray):
        return torch.from_numpy(dataset[chosen.numpy()]), None
    images: list[Tensor] = []
    labels: list[int] = []
    for index in chosen.tolist():
        item = dataset[index]
        image, *more = item if isinstance(item, tuple | list) else (item,)
        if not isinstance(image, Tensor | np.ndarray) or (images and image.shape != images[0].shape):
            found = f"{type(image).__name__} {list(getattr(image, 'shape', []))}"
            raise TypeError(
                f"item {index} of real is or begins with {found}: pass real=images, or a dataset whose items "
                "are or begin with tensors [C, H, W] of one size"
            )
        images.append(torch.as_tensor(image))
        labels += [number for number in map(_whole, more[:1]) if number is not None]
    return torch.stack(images), torch.tensor(labels) if len(labels) == len(images) else None


def _whole(value: object) -> int | None:
    """A label, if it is one."""
    try:
        return operator.index(cast("SupportsIndex", value))
    except TypeError:
        return None
