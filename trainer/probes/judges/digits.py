"""The judge of scikit-learn's handwritten digits: ``classifier.py`` on 1797 images of 8x8.

Real digits keep a quality of about 0.94, noise about 0.11 (0.10 is the floor).
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from .classifier import ClassifierJudge, Fit, classifier_judge

FIT: Final = Fit(widths=(16, 32, 32), epochs=40, held_out=360)


def digits_judge(cache: Path | None = None) -> ClassifierJudge:
    """The judge, from ``cache`` (default: ganwatch in the user's cache folder) or freshly fitted, in a few
    seconds on a CPU, and put there.
    """
    images, labels = load_digits()
    return classifier_judge(
        images,
        labels,
        name="digits-classifier",
        of="the handwritten digits",
        classes="0123456789",
        fit=FIT,
        cache=cache,
    )


def load_digits() -> tuple[Tensor, Tensor]:
    """1797 images ``[N, 1, 8, 8]`` in [-1, 1] and their labels."""
    try:
        from sklearn import datasets  # noqa: PLC0415  only this judge needs scikit-learn
    except ImportError as error:
        raise ImportError("the digits judge needs scikit-learn: pip install scikit-learn") from error
    digits = datasets.load_digits()
    images = torch.from_numpy(digits.images / 8 - 1).float().unsqueeze(1)
    return images, torch.from_numpy(digits.target.astype(np.int64))
