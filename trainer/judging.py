"""Who judges quality and diversity of a training's samples."""

import logging
from collections.abc import Callable, Iterator

import torch

from trainer.config import Config
from trainer.data import ImageSet
from trainer.probes.judges import Judge
from trainer.probes.judges.arcface import arcface_judge
from trainer.probes.judges.beside import Beside
from trainer.probes.judges.digits import digits_judge
from trainer.probes.judges.fitted import fitted_judge
from trainer.probes.judges.mtcnn import mtcnn_judge
from trainer.probes.judges.packages import MissingJudgeError

logger = logging.getLogger(__name__)


def judges_of(config: Config, images: ImageSet, device: torch.device) -> Judge | Beside:
    """The digits' own; of faces MTCNN and ArcFace, beside training; of all else a classifier where the data
    has classes, or bins by k-means.
    """
    if config.dataset == "digits":
        return digits_judge()
    if config.shows_faces:
        return Beside(tuple(_of_faces(config, images, device)))
    return fitted_judge(images.images, images.labels, device=device)


def _of_faces(config: Config, images: ImageSet, device: torch.device) -> Iterator[Judge]:
    """What is missing costs only the judge that needs it, and one line. Without ArcFace, bins judge D."""
    identities, recognizer = config.judges.identities, config.judges.recognizer
    yield from _if_there(mtcnn_judge, "Q by MTCNN")
    known: list[Judge] = []
    if identities is None:
        logger.info("D is judged by bins; by people with --judges.identities, of gantrain identities build")
    else:
        known = list(_if_there(lambda: arcface_judge(identities, recognizer), "D by ArcFace"))
    yield from known or [fitted_judge(images.images, images.labels, device=device)]


def _if_there(make: Callable[[], Judge], what: str) -> Iterator[Judge]:
    try:
        yield make()
    except MissingJudgeError as problem:
        logger.warning("training goes on without %s: %s", what, problem)
