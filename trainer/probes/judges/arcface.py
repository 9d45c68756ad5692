"""Diversity of faces: which known person each sample resembles most (SQD, equations 7 to 9).

The modes are the people of an identity bank: ``f_j`` is the mean of the embeddings of person j's training
images, each of length 1 and the mean again of length 1 (or the raw mean of raw embeddings, equation 7 as it
is printed). A sample x belongs to ``j(x) = argmin_j |f(x) - f_j|``. Healthy: D near the same estimate for
real faces. Sick: it falls, people are being dropped. Every image resembles somebody, noise too (D of noise is
1.15 nats where real faces have 4.4): read D together with how many samples are faces at all.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..undisturbed import full_float32
from . import Scores
from .packages import MissingJudgeError
from .recognition import Crop, Recognizer, model_file

#: Part of every bank: another layout is another number.
FORMAT: Final = 1


@dataclass(frozen=True, eq=False)
class IdentityBank:
    """People as they are embedded by one model."""

    #: float32 ``[m, d]``
    means: Tensor
    names: tuple[str, ...]
    #: Images of each, int64 ``[m]``.
    counts: Tensor
    #: SHA-256 of the model, and where it was.
    model: str
    path: str
    crop: Crop
    #: Whether embeddings have length 1 before and after the mean.
    is_normalized: bool = True

    def nearest(self, embeddings: Tensor) -> Tensor:
        """Who each of ``[N, d]`` resembles most, int64 ``[N]``; -1 where an embedding is not finite."""
        found = normalize(embeddings) if self.is_normalized else embeddings
        with full_float32(found.device):
            # |f - f_j|^2 without what is the same for all j.
            distance = self.means.square().sum(dim=1) - 2 * found @ self.means.T
        return torch.where(found.isfinite().all(dim=1), distance.argmin(dim=1), -1)

    def on(self, device: torch.device) -> "IdentityBank":
        return self if self.means.device == device else replace(self, means=self.means.to(device))

    def write(self, path: Path) -> None:
        """All or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.savez(
                    file,
                    format=np.array(FORMAT),
                    means=self.means.numpy(),
                    names=np.array(self.names),
                    counts=self.counts.numpy(),
                    model=np.array(self.model),
                    path=np.array(self.path),
                    crop=np.array([self.crop.x, self.crop.y, self.crop.side]),
                    is_normalized=np.array(self.is_normalized),
                )
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)


def read_bank(path: Path) -> IdentityBank:
    """Raises ``MissingJudgeError`` where there is none."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if int(stored["format"]) != FORMAT:
                raise MissingJudgeError(
                    f"the identity bank {path.absolute()} has format {int(stored['format'])}, not {FORMAT}: "
                    "build it again with `gantrain identities build`"
                )
            return IdentityBank(
                means=torch.from_numpy(stored["means"]),
                names=tuple(stored["names"].tolist()),
                counts=torch.from_numpy(stored["counts"]),
                model=str(stored["model"]),
                path=str(stored["path"]),
                crop=Crop(*stored["crop"].tolist()),
                is_normalized=bool(stored["is_normalized"]),
            )
    except MissingJudgeError:
        raise
    except Exception as problem:  # damage shows as anything at all
        raise MissingJudgeError(
            f"the judge arcface needs an identity bank, and {path.absolute()} cannot be read as one "
            f"({problem}): make it with `gantrain identities build`"
        ) from problem


class ArcFaceJudge:
    """A ``Judge`` of images ``[N, 1 or 3, H, W]`` that show what the images of the bank showed."""

    name = "arcface"
    gives_quality = False

    def __init__(self, recognizer: Recognizer, bank: IdentityBank) -> None:
        if recognizer.model != bank.model:
            raise MissingJudgeError(
                f"the identity bank was made with another model (SHA-256 {bank.model[:12]}, at {bank.path}) "
                f"than {recognizer.path} ({recognizer.model[:12]}): build it again, or name that model"
            )
        self.recognizer = recognizer
        self.bank = bank
        self.m: int | None = len(bank.names)
        #: What the modes are called.
        self.modes: Sequence[str] = bank.names
        self.help = (
            f"Judged by the face recognizer {recognizer.path.name}: which of {self.m} people a sample "
            "resembles most. Every image resembles somebody, so read it together with how many are faces."
        )

    def score(self, images: Tensor) -> Scores:
        self.bank = self.bank.on(images.device)
        return Scores(None, self.bank.nearest(self.recognizer.embeddings(images)))


def arcface_judge(identities: Path, model: str | None = None) -> ArcFaceJudge:
    """The judge of the bank in ``identities``, with ``model`` (a .onnx file, or the name of a pack of
    insightface) or the one that the bank was made with, where it lay then.

    Raises ``MissingJudgeError`` for what is not there or does not fit.
    """
    bank = read_bank(identities)
    return ArcFaceJudge(Recognizer(model_file(model or bank.path), bank.crop), bank)
