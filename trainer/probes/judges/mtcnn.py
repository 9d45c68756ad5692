"""Quality of faces: how surely MTCNN finds a face in an image (Zhang et al. 2016; SQD, equation 6).

``q(x)`` is the highest face probability that the last of its three networks gives to any box that the first
two leave over, 0 where none is left. Images whose shorter side is below 160 pixels are first scaled up
(bilinear), and faces are looked for from 20 pixels on, with the weights (MIT), thresholds and pyramid of
facenet-pytorch. Healthy: climbs to the 0.9997 of real faces (LFW at 64 pixels). Sick: falls toward the 0.004
of noise and the 0.016 of CIFAR-10. It is nearly binary: it says how many samples are faces, not how good they
are.

The scores are those of ``facenet_pytorch.MTCNN`` to rounding (1e-6), in less than half its time on a CPU: the
crops of a batch are two products of matrices (``resampling``) and no loop over boxes, scaled-up images are
never made, the networks run channels-last, and what only chooses among a face's boxes is left out.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from ..undisturbed import full_float32
from . import Scores
from .packages import imported
from .resampling import Windows, averaging, resampled, scaling

#: Pixels of the shorter side that images are scaled up to.
SHORT_SIDE: Final = 160
#: The smallest face that is looked for, in pixels of the scaled image.
SMALLEST_FACE: Final = 20
#: From one level of the pyramid to the next.
FACTOR: Final = 0.709
#: Probabilities that the three networks must reach.
THRESHOLDS: Final = (0.6, 0.7, 0.7)
#: Overlaps (intersection over union) beyond which the less probable of two boxes goes: within a level,
#: between levels, after the second network.
OVERLAPS: Final = (0.5, 0.7, 0.7)
#: What the first network sees: boxes of so many pixels, so many pixels apart.
BOX, STRIDE = 12, 2
#: Images, and boxes, that go through a network at a time: few enough for a CPU's cache; many for a GPU, but
#: so few that all boxes of a batch are compared at once (torchvision goes group by group beyond 25000).
IMAGES: Final = {"cpu": 16, "cuda": 128}
BOXES: Final = {"cpu": 64, "cuda": 2048}


class Boxes(NamedTuple):
    #: Left, top, right, bottom ``[K, 4]``.
    corners: Tensor
    probability: Tensor
    #: The image each is of.
    image: Tensor

    def those(self, chosen: Tensor) -> "Boxes":
        return Boxes(self.corners[chosen], self.probability[chosen], self.image[chosen])


class Level(NamedTuple):
    """One of the pyramid: images by ``scale`` of what is scaled up, as two matrices."""

    scale: float
    rows: Tensor
    columns: Tensor


class MtcnnJudge:
    """A ``Judge`` of faces: images ``[N, 1 or 3, H, W]`` of any size."""

    name = "mtcnn"
    gives_quality = True
    m: int | None = None
    help = (
        "Judged by the face detector MTCNN: the probability of the surest face it finds in a sample, 0 where "
        "it finds none. Nearly 1 or 0."
    )

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self.networks = [
            network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for network in networks
        ]

    @torch.no_grad()
    def score(self, images: Tensor) -> Scores:
        if images.dim() != 4 or images.shape[1] not in {1, 3} or min(images.shape[2:]) < 2:
            raise ValueError(
                f"{self.name} judges images [N, 1 or 3, H, W] in [-1, 1], not {list(images.shape)}"
            )
        for network in self.networks:
            network.to(images.device)
        parts = torch.split(images, IMAGES.get(images.device.type, IMAGES["cuda"]))
        with full_float32(images.device):
            return Scores(torch.cat([self._quality(part) for part in parts]), None)

    def _quality(self, images: Tensor) -> Tensor:
        # As its networks know them: (pixel - 127.5) / 128.
        images = (images.float() * (127.5 / 128)).expand(-1, 3, -1, -1)
        cascade = Cascade(self.networks, pyramid(images.shape[2], images.shape[3], images.device))
        finite = images.flatten(1).isfinite().all(dim=1)
        quality = torch.full((len(images),), torch.nan, device=images.device)
        quality[finite] = cascade.quality(images[finite])
        return quality


class Pyramid:
    """How images of one size are resampled, as matrices on one device."""

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        up = max(1.0, SHORT_SIDE / min(height, width))
        self.height, self.width = round(height * up), round(width * up)
        rows, columns = scaling(height, self.height), scaling(width, self.width)
        self.windows = Windows(rows, columns, device)
        #: Right and bottom.
        self.border = torch.tensor([self.width, self.height], device=device)
        self.levels = [
            Level(
                scale,
                (averaging(self.height, int(self.height * scale + 1)) @ rows).float().to(device),
                (averaging(self.width, int(self.width * scale + 1)) @ columns).float().to(device),
            )
            for scale in (BOX / SMALLEST_FACE * FACTOR**i for i in range(64))
            if scale * min(self.height, self.width) >= BOX
        ]


#: Made once for all batches: a copy to a GPU is waited for.
pyramid = lru_cache(maxsize=8)(Pyramid)


class Cascade:
    """MTCNN for images of one size: float32 ``[N, 3, H, W]``, as its networks know them."""

    def __init__(self, networks: Sequence[nn.Module], pyramid: Pyramid) -> None:
        self.proposal, self.refinement, self.output = networks
        self.pyramid = pyramid

    def quality(self, images: Tensor) -> Tensor:
        """``q`` ``[N]``."""
        boxes = self._refined(images, self._proposed(images))
        boxes, (_, probability) = self._asked(images, boxes, self.output, 48)
        probability = probability.where(probability > THRESHOLDS[2], 0.0)
        return images.new_zeros(len(images)).scatter_reduce_(0, boxes.image, probability, "amax")

    def _proposed(self, images: Tensor) -> Boxes:
        """What the first network finds, of all levels; the squares about what it says the faces are."""
        levels = [self._level(images, level) for level in self.pyramid.levels]
        group = [len(images) * i + boxes.image for i, (boxes, _) in enumerate(levels)]
        boxes = Boxes(*(torch.cat(parts) for parts in zip(*(boxes for boxes, _ in levels), strict=True)))
        shift = torch.cat([shift for _, shift in levels])
        best = _suppressed(boxes, torch.cat(group), OVERLAPS[0])
        boxes, shift = boxes.those(best), shift[best]
        best = _suppressed(boxes, boxes.image, OVERLAPS[1])
        boxes, shift = boxes.those(best), shift[best]
        sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
        return boxes._replace(corners=_squares(boxes.corners + shift * sides.repeat(1, 2)))

    def _level(self, images: Tensor, level: Level) -> tuple[Boxes, Tensor]:
        """Its boxes, and by which shares of their sides they should be shifted."""
        seen = resampled(images, level.rows, level.columns)
        shift, probability = self.proposal(seen.contiguous(memory_format=torch.channels_last))
        probability = probability[:, 1]
        found = (probability >= THRESHOLDS[0]).nonzero()
        image, row, column = found.unbind(dim=1)
        corner = torch.stack([column, row], dim=1) * STRIDE + 1
        corners = (torch.cat([corner, corner + BOX - 1], dim=1).float() / level.scale).floor()
        return Boxes(corners, probability[image, row, column], image), shift[image, :, row, column]

    def _refined(self, images: Tensor, boxes: Boxes) -> Boxes:
        """What the second network leaves."""
        boxes, (shift, probability) = self._asked(images, boxes, self.refinement, 24)
        passes = probability > THRESHOLDS[1]
        boxes, shift = Boxes(boxes.corners, probability, boxes.image).those(passes), shift[passes]
        best = _suppressed(boxes, boxes.image, OVERLAPS[2])
        boxes, shift = boxes.those(best), shift[best]
        sides = boxes.corners[:, 2:] - boxes.corners[:, :2] + 1
        return boxes._replace(corners=_squares(boxes.corners + shift * sides.repeat(1, 2)))

    def _asked(
        self, images: Tensor, boxes: Boxes, network: nn.Module, side: int
    ) -> tuple[Boxes, tuple[Tensor, Tensor]]:
        """Those of the boxes that hold pixels, and the network's shifts and probabilities of a face."""
        corners = boxes.corners.trunc().long()
        start = (corners[:, :2].clamp(min=1)) - 1
        end = corners[:, 2:].clamp(max=self.pyramid.border)
        inside = (end > start).all(dim=1)
        boxes = boxes.those(inside)
        where = torch.cat([start, end], dim=1)[inside]
        shifts, probabilities = [images.new_zeros(0, 4)], [images.new_zeros(0)]
        at_a_time = BOXES.get(images.device.type, BOXES["cuda"])
        for image, part in zip(
            torch.split(boxes.image, at_a_time), torch.split(where, at_a_time), strict=True
        ):
            if len(part):
                outputs = network(self.pyramid.windows.crops(images, image, part, side))
                shifts.append(outputs[0])
                probabilities.append(outputs[-1][:, 1])
        return boxes, (torch.cat(shifts), torch.cat(probabilities))


def mtcnn_judge() -> MtcnnJudge:
    """The judge, with the weights that come with facenet-pytorch.

    Raises ``MissingJudgeError`` where that is not installed.
    """
    facenet = imported(
        "facenet_pytorch.models.mtcnn", "facenet-pytorch", "mtcnn", "pip install --no-deps facenet-pytorch"
    )
    return MtcnnJudge([facenet.PNet(), facenet.RNet(), facenet.ONet()])


def _squares(corners: Tensor) -> Tensor:
    """About the same centres, as large as the longer sides."""
    sides = corners[:, 2:] - corners[:, :2]
    longer = sides.amax(dim=1, keepdim=True)
    start = corners[:, :2] + sides / 2 - longer / 2
    return torch.cat([start, start + longer], dim=1)


def _suppressed(boxes: Boxes, group: Tensor, overlap: float) -> Tensor:
    """Which are left of each group when those that overlap a more probable one go."""
    from torchvision.ops import batched_nms  # type: ignore[import-untyped]  # noqa: PLC0415  slow to import

    kept: Tensor = batched_nms(boxes.corners, boxes.probability, group, overlap)
    return kept
