"""IS, FID, KID, precision and recall of a generator, measured without a trace."""

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from trainer.config import Config, Fidelity
from trainer.data import ImageSet, load_reference
from trainer.fidelity.feature_network import FeatureNetwork
from trainer.fidelity.figures import FIGURES, subset_size
from trainer.fidelity.protocol import Protocol, Series, series
from trainer.fidelity.real_statistics import default_folder, real_statistics
from trainer.probes.sample_grid import LatentSource, Sampler
from trainer.probes.undisturbed import full_float32, undisturbed
from trainer.randomness import derived
from trainer.sampling import latents_of

logger = logging.getLogger(__name__)

#: What the seed of the latents is derived by.
LATENTS: Final = (0, 4)


class NotFiniteError(ValueError):
    """The generator draws NaN or infinity."""


class Meter:
    """Compares a generator with real images, as often as it is asked.

    The generator is sampled in eval mode from latents that never change, drawn from ``seed``; it, the random
    states and every switch are afterwards what they were. Everything that can fail for good (weights, real
    images) does so here and not in the middle of a training.

    images: the real ones, uint8; chosen and counted as ``settings`` say.
    folder: where statistics of real images are kept (default: ``fidelity`` in GANWATCH_DIR or ./.ganwatch).
    """

    def __init__(
        self,
        settings: Fidelity,
        G: nn.Module,
        latents: LatentSource,
        images: ImageSet,
        *,
        seed: int,
        folder: Path | None = None,
    ) -> None:
        self.settings = settings
        self.sampler = Sampler(G, latents, seed)
        with undisturbed():
            self.network = FeatureNetwork(settings, self.sampler.device)
            self.real = real_statistics(settings, self.network, images, folder or default_folder())
        self.protocol = Protocol(
            extractor=self.network.name,
            weights=self.network.fingerprint[:8],
            layers=self.network.layers,
            resize=self.network.resize,
            size=images.images.shape[-1],
            generated=settings.samples,
            statistics=f"{images.name} ({images.identity()[:8]})",
            real=self.real.n,
            subset=subset_size(settings.samples, self.real.n),
        )
        self.series: list[Series] = list(series(self.protocol))

    def measure(self) -> dict[str, float]:
        """Every figure by the name of its series; NaN, all of them, if an image has a pixel that is."""
        with undisturbed(self.sampler.G):
            try:
                features = self.network.features(self._generated())
            except NotFiniteError as problem:
                logger.warning("fidelity is NaN: %s", problem)
                return dict.fromkeys((one.name for one in self.series), math.nan)
            with full_float32(self.sampler.device):
                numbers = {
                    metric: FIGURES[metric](features[layer], self.real, self.sampler.device)
                    for metric, layer in self.network.layers.items()
                }
        return {one.name: numbers[one.metric][one.number] for one in self.series}

    def _generated(self) -> Iterator[Tensor]:
        for images in self.sampler.batches(self.settings.samples):
            if not bool(images.isfinite().all()):
                raise NotFiniteError("the generator draws pixels that are NaN or infinite")
            yield to_bytes(images)


def meter_of(config: Config, G: nn.Module, images: ImageSet) -> Meter:
    """The meter that a configuration asks for; ``images`` are those it trains on."""
    reference = config.fidelity.reference
    real = images if reference is None else load_reference(reference, config.size, config.channels)
    seed = derived(config.seed, *LATENTS)
    return Meter(config.fidelity, G, latents_of(config.network), real, seed=seed)


def to_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8 of the same shape, to the nearest: the inverse of what training images go
    through.
    """
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
