"""What the real images are to a feature network: computed once, kept on the disk.

A file of numpy arrays, named by a hash of all that its content follows from: the images, which of them were
chosen, the network and its weights, the layer. Its members carry checksums; one that cannot be read whole is
computed anew. It is written beside its place and renamed, so processes that start at once do no harm.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from trainer.config import Fidelity
from trainer.data import ImageSet
from trainer.errors import FidelityError
from trainer.fidelity.feature_network import FeatureNetwork
from trainer.fidelity.figures import NEED_FEATURES, Moments, Real, moments

logger = logging.getLogger(__name__)

FORMAT: Final = 1
BATCH: Final = 128


def default_folder() -> Path:
    return Path(os.environ.get("GANWATCH_DIR") or ".ganwatch") / "fidelity"


def real_statistics(settings: Fidelity, network: FeatureNetwork, images: ImageSet, folder: Path) -> Real:
    """Of ``settings.real`` images, or of all."""
    chosen = choose(len(images), settings.real)
    layers = {layer for metric, layer in network.layers.items() if metric != "inception-score"}
    if not layers:
        return Real(len(chosen), None, None)
    (layer,) = layers
    keeps_features = not NEED_FEATURES.isdisjoint(settings.metrics)
    facts = (
        *(FORMAT, images.identity(), len(chosen), len(images)),
        *(network.name, network.fingerprint, layer, keeps_features),
    )
    path = folder / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.npz"
    kept = _read(path)
    if kept is None:
        logger.info("%s: features of %d images of %s", network.name, len(chosen), images.name)
        features = network.features(_batches(images.images, chosen, images.name))[layer]
        kept = Real(len(chosen), moments(features), features if keeps_features else None)
        _write(path, kept)
    return kept


def choose(n: int, wanted: int) -> Tensor:
    """Which of ``n`` images: all, or so many by a draw that is always the same, in their order."""
    if wanted > n:
        raise FidelityError(f"fidelity.real = {wanted} and there are {n} real images: set it to 0 for all")
    if wanted == 0:
        return torch.arange(n)
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(n, generator=generator)[:wanted].sort().values


def _batches(images: Tensor, chosen: Tensor, name: str) -> Iterator[Tensor]:
    parts = torch.split(chosen, BATCH)
    yield from (images[part] for part in tqdm(parts, desc=f"features of {name}", disable=None))


def _read(path: Path) -> Real | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            features = torch.from_numpy(stored["features"]) if "features" in stored else None
            return Real(int(stored["n"]), Moments(stored["mean"], stored["covariance"]), features)
    except FileNotFoundError:
        return None
    except Exception as problem:  # noqa: BLE001  damage shows as anything at all
        logger.warning("%s is damaged and made anew: %s", path.absolute(), problem)
        return None


def _write(path: Path, real: Real) -> None:
    assert real.moments is not None
    arrays = {
        "n": np.array(real.n),
        "mean": real.moments.mean,
        "covariance": real.moments.covariance,
    }
    if real.features is not None:
        arrays["features"] = real.features.numpy()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
            partial = Path(file.name)
            try:
                np.savez(file, allow_pickle=False, **arrays)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as problem:
        # They are at hand: the next start computes them again.
        logger.warning("statistics of the real images are not kept in %s: %s", path.parent, problem)
