"""Which part of a data set's images the recognizer should see."""

import logging
from typing import Any, Final

import numpy as np
from torch import Tensor
from torch.nn.functional import interpolate

from trainer.probes.judges.mtcnn import SHORT_SIDE
from trainer.probes.judges.packages import MissingJudgeError, imported
from trainer.probes.judges.recognition import Crop

logger = logging.getLogger(__name__)

#: Where ArcFace was trained to see eyes, nose and the corners of the mouth, in a square of side 1.
TEMPLATE: Final = (
    np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    / 112
)
#: Images that are looked at, and how many of them must show a face.
LOOKED_AT: Final = 200
ENOUGH: Final = 20


def typical_crop(images: Tensor) -> Crop:
    """The square that brings the landmarks of square images uint8 ``[N, 3, S, S]``, as they are on average,
    to where ArcFace was trained to see them. Data sets of faces are cropped alike, so that one square does
    for all, and for samples that have no landmarks too.
    """
    try:
        landmarks = _landmarks(images)
    except MissingJudgeError as problem:
        logger.warning("the whole images are embedded, not the part that fits best: %s", problem)
        return Crop()
    if len(landmarks) < ENOUGH:
        logger.warning(
            "faces were found in %d of %d images: whole images are embedded", len(landmarks), len(images)
        )
        return Crop()
    return fitted(np.median(landmarks, axis=0))


def fitted(landmarks: Any) -> Crop:
    """The square in which ``landmarks`` ``[5, 2]``, in shares of the image, lie nearest to the template's."""
    centred, wanted = landmarks - landmarks.mean(axis=0), TEMPLATE - TEMPLATE.mean(axis=0)
    side = float((centred**2).sum() / (centred * wanted).sum())
    x, y = landmarks.mean(axis=0) + side * (0.5 - TEMPLATE.mean(axis=0)) - 0.5
    return Crop(float(x), float(y), side)


def _landmarks(images: Tensor) -> Any:
    """``[n, 5, 2]`` in shares of the image, of the surest face of each image that shows one."""
    facenet = imported(
        "facenet_pytorch", "facenet-pytorch", "mtcnn", "README.md, section Faces, says what to install"
    )
    scaled = images.float()
    if images.shape[-1] < SHORT_SIDE:
        scaled = interpolate(scaled, size=(SHORT_SIDE, SHORT_SIDE), mode="bilinear", align_corners=False)
    _, _, points = facenet.MTCNN(select_largest=False).detect(scaled.permute(0, 2, 3, 1), landmarks=True)
    side = scaled.shape[-1]
    found = [np.asarray(faces[0], np.float64) / side for faces in points if faces is not None]
    return np.stack(found) if found else np.empty((0, 5, 2))
