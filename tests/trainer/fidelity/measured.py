"""A small world to measure: the CIFAR-10 classifier, some of its images, and a generator."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import Batch, Config, Fidelity, Network
from trainer.data import ImageSet

WEIGHTS = "cifar10_resnet20.th"
ALL = ("inception-score", "fid", "kid", "precision-recall")


def settings(weights: Path, **changes: Any) -> Fidelity:
    chosen: dict[str, Any] = {"every": 1, "samples": 60, "metrics": ALL} | changes
    return Fidelity(extractor="cifar10-resnet20", weights=weights, **chosen)


def config(fidelity: Fidelity, **changes: Any) -> Config:
    chosen: dict[str, Any] = {"size": 16, "channels": 3, "epochs": 3} | changes
    network = Network(architecture="dcgan", z_dim=8, width_g=2, width_d=2)
    return Config(
        recipe="measured",
        dataset="images",
        network=network,
        batch=Batch(g=8, d=8),
        fidelity=fidelity,
        **chosen,
    )


def images(n: int, size: int = 16, seed: int = 0, channels: int = 3) -> ImageSet:
    """Smooth random pictures."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, 4, 4, generator=generator) * 255
    pixels = nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    return ImageSet(pixels.to(torch.uint8), name="pictures")


class Generator(nn.Module):
    """Latents [N, 8] to images [N, 3, 16, 16], with layers that would tell of a careless measurement."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 48), nn.BatchNorm1d(48), nn.Dropout(0.2))

    def forward(self, z: Tensor) -> Tensor:
        coarse = self.layers(z).view(-1, 3, 4, 4).tanh()
        return nn.functional.interpolate(coarse, (16, 16), mode="bilinear")


def generator(seed: int = 0) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Generator()
