"""Images as they are kept: uint8, decoded once, in memory or mapped from the disk."""

import hashlib
from dataclasses import dataclass

from torch import Tensor

from trainer.errors import DataError


@dataclass(frozen=True)
class ImageSet:
    #: uint8 [N, C, H, W]
    images: Tensor
    #: int64 [N], where the data has classes.
    labels: Tensor | None = None
    #: Name and fault of every image that was left out.
    skipped: tuple[tuple[str, str], ...] = ()
    #: What figures call it.
    name: str = "images"
    #: What tells these pixels from any others, where that is known without reading them.
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        """One image as networks see it: float32 [C, H, W] in [-1, 1]."""
        return to_unit_range(self.images[index])

    def labels_for(self, classes: int) -> Tensor | None:
        """The labels, for networks that were built for so many classes; None for unconditional ones."""
        if classes == 0:
            return None
        if self.labels is None:
            raise DataError(
                f"network.classes = {classes}, and {self.name} has no labels: pass a packed .npz with "
                "labels, or choose an unconditional architecture"
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= classes:
            raise DataError(
                f"network.classes = {classes}, and the labels of {self.name} go from {low} to {high}: they "
                f"must lie between 0 and {classes - 1}"
            )
        return self.labels

    def identity(self) -> str:
        """The fingerprint, or what stands for it: a hash of the pixels."""
        if self.fingerprint:
            return self.fingerprint
        digest = hashlib.sha256(str(tuple(self.images.shape)).encode())
        digest.update(self.images.contiguous().numpy().data)
        return digest.hexdigest()


def to_unit_range(pixels: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return pixels.float().div_(127.5).sub_(1.0)
