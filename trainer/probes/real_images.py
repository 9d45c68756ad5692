"""Real images for the probes that compare with them, taken without disturbing what training draws."""

from collections.abc import Sized
from typing import Any, Protocol, cast

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
        images = _take(dataset, chosen)
    images = images.float().div(127.5).sub(1) if images.dtype == torch.uint8 else images.float()
    if images.dim() != 4 or not bool((images.abs() <= 1.001).all()):
        raise ValueError(
            f"real images are {list(images.shape)} from {images.min():g} to {images.max():g}: "
            "pass [N, C, H, W] in [-1, 1], or as uint8"
        )
    return images


def _take(dataset: ImageDataset, chosen: Tensor) -> Tensor:
    if isinstance(dataset, Tensor):
        return dataset.detach()[chosen.to(dataset.device)]
    if isinstance(dataset, np.ndarray):
        return torch.from_numpy(dataset[chosen.numpy()])
    items = [dataset[index] for index in chosen.tolist()]
    return torch.stack(
        [torch.as_tensor(item[0] if isinstance(item, tuple | list) else item) for item in items]
    )
