"""Traces of trainings that turn, or do not, by themselves: nothing is switched, ramped or broken.

Real convolutional GANs of our own trainer on handwritten digits, and on CIFAR-10 and faces at 16x16, at
learning rates at which unprotected critics are known to collapse sooner or later, with several losses, betas
and seeds. Each is a file as ``turning_points.py`` reads it; ``labels.json`` beside them says where each
turned, by a rule that looks ahead and knows nothing of the detector.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.demo_seeds import Stop, WatchedRun
from trainer import data
from trainer.checkpoint import CheckpointDirectory
from trainer.config import Adam, Checkpoints, Config, LearningRate, Network
from trainer.config.objectives import LossName
from trainer.data import ImageSet
from trainer.loop import train
from trainer.probes.judges import Judge, Scores
from trainer.probes.judges.digits import digits_judge
from trainer.probes.watch import Watch
from trainer.recipes import RECIPES
from trainer.sampling import latents_of
from trainer.stopping import Stopping
from trainer.watching import Run, Subject

#: Images of a colour set that are trained on, and modes of its judge.
IMAGES, MODES = 2048, 20
LOSSES: tuple[LossName, ...] = ("ls", "ns", "hinge")
#: Records after the turn, to show that what was lost stays lost.
AFTER = 25
#: What a turn must cost for good: of Q, and of D / ln m.
LOST = {"Q": 0.1, "D": 0.17}

Arrays = dict[str, NDArray[np.float32]]


def configurations(folder: Path, epochs: int) -> Iterator[Config]:
    """All configurations, one seed each time through: the widest variety comes first."""
    digits = RECIPES["digits-lsgan"]()
    small = replace(
        digits,
        dataset="images",
        size=16,
        channels=3,
        network=Network(architecture="small", z_dim=64, width_g=16, width_d=16, init="torch"),
    )
    sets = [
        replace(digits, recipe="digits"),
        replace(small, recipe="cifar10", data=folder / "cifar10_train.npz"),
        replace(small, recipe="faces", data=folder / "lfw_wide64.npz"),
    ]
    betas = ((0.0, 0.999), (0.5, 0.999))
    for seed in range(10**6):
        for loss, rate, pair, base in product(LOSSES, (8e-3, 4e-3), betas, sets):
            if base.data is not None and not base.data.is_file():
                continue
            # Colour images take many more weights: the same angles come from a smaller rate.
            lr = rate if base.recipe == "digits" else rate / 4
            yield replace(
                base, loss=loss, lr=LearningRate(g=lr, d=lr), adam=Adam(betas=pair), seed=seed, epochs=epochs
            )


class NeighbourJudge:
    """Judges any images by real ones, in the space of 32 principal components and the residual's length.

    Quality is whether a sample lies in the ball that reaches from a real image to its third neighbour (the
    precision of Kynkaanniemi et al. 2019), its mode the nearest of ``MODES`` k-means centres.
    """

    name = "neighbours"
    gives_quality = True
    m = MODES
    help = "Inside a real image's third-neighbour ball; nearest of 20 k-means centres."

    def __init__(self, images: Tensor) -> None:
        flat = images.float().div(127.5).sub(1).flatten(1)
        self.mean = flat.mean(0)
        self.basis = torch.linalg.svd(flat - self.mean, full_matrices=False).Vh[:32].T.contiguous()
        self.real = self._features(flat)
        distances = torch.cdist(self.real, self.real)
        self.radius = distances.kthvalue(4, dim=1).values
        self.centres = self._centres()

    def score(self, images: Tensor) -> Scores:
        features = self._features(images.flatten(1))
        inside = (torch.cdist(features, self.real) <= self.radius).any(1)
        return Scores(inside.float(), torch.cdist(features, self.centres).argmin(1))

    def _features(self, flat: Tensor) -> Tensor:
        centred = flat - self.mean
        parts = centred @ self.basis
        return torch.cat([parts, (centred - parts @ self.basis.T).norm(dim=1, keepdim=True)], dim=1)

    def _centres(self) -> Tensor:
        centres = self.real[:: max(1, len(self.real) // MODES)][:MODES].clone()
        for _ in range(20):
            nearest = torch.cdist(self.real, centres).argmin(1)
            for j in range(MODES):
                if (nearest == j).any():
                    centres[j] = self.real[nearest == j].mean(0)
        return centres


class RecordedRun(WatchedRun):
    """Keeps the records, and asks to stop when the turn is long past."""

    @property
    def meta(self) -> Mapping[str, Any]:
        return self._meta

    def commands(self) -> list[Stop]:
        if len(self.records) % 10 or len(self.records) < 2 * AFTER:
            return []
        label = label_of(arrays_of(self.records), self._meta["m"])
        return [Stop()] if label["onset"] is not None and len(self.records) > label["onset"] + AFTER else []


def make(folder: Path, images: Path, *, count: int, epochs: int) -> None:
    """Train until there are ``count`` traces in ``folder``; a second call goes on where the first ended."""
    folder.mkdir(parents=True, exist_ok=True)
    done = len(list(folder.glob("*.npz")))
    for config in configurations(images, epochs):
        path = folder / f"{name_of(config)}.npz"
        if done >= count:
            return
        if path.exists():
            continue
        run = _train(config)
        arrays = arrays_of(run.records)
        meta = {
            **run.meta,
            "source": "natural",
            "dataset": config.recipe,
            "loss": config.loss,
            "reg": "none",
            "lr_g": config.lr.g,
            "lr_d": config.lr.d,
            "betas": config.adam.betas,
            "seed": config.seed,
        }
        label = label_of(arrays, run.meta["m"])
        np.savez_compressed(path, meta=json.dumps(meta), **arrays)  # type: ignore[arg-type]
        labels = folder / "labels.json"
        known = json.loads(labels.read_text()) if labels.exists() else {}
        labels.write_text(json.dumps(known | {path.stem: label}, indent=1))
        found = [(alert["onset"], alert["detected"], alert["pace"]) for alert in run.alerts]
        print(
            f"{path.stem}: {label['cls']}, onset {label['onset']}, {len(run.records)} records; {found}",
            flush=True,
        )
        done += 1


def name_of(config: Config) -> str:
    betas = "-".join(f"{beta:g}" for beta in config.adam.betas)
    return f"{config.recipe}_{config.loss}_{config.lr.g:g}_{betas}_{config.seed}"


def _train(config: Config) -> RecordedRun:
    run = RecordedRun()
    images = data.load(config)
    if config.dataset == "images":
        # Packed files may be sorted by class: the first rows of CIFAR-10 are all aeroplanes.
        rows = torch.randperm(len(images.images), generator=torch.Generator().manual_seed(0))[:IMAGES]
        images = ImageSet(images.images[rows], name=config.recipe)
    with tempfile.TemporaryDirectory() as folder:
        train(
            replace(config, checkpoints=Checkpoints(every=10**6)),
            images,
            run,
            watch_with=partial(_probes, judge=_judge(config, images)),
            checkpoints=CheckpointDirectory(Path(folder)),
            stopping=Stopping(run),
            device=torch.device("cpu"),
            quiet=True,
        )
    run.judge()
    return run


def _judge(config: Config, images: ImageSet) -> Judge:
    return digits_judge() if config.dataset == "digits" else NeighbourJudge(images.images)


def _probes(run: Run, subject: Subject, judge: Judge) -> Watch:
    return Watch(
        subject.G,
        subject.D,
        run,
        G_ema=subject.G_ema,
        real=subject.images,
        judge=judge,
        z=latents_of(subject.config.network),
        seed=int(hashlib.sha256(str(subject.config.seed).encode()).hexdigest()[:8], 16),
    )


@dataclass(frozen=True)
class Level:
    """Medians of the ten records before, and what the ten from a record on are of it."""

    before: float
    after: NDArray[np.float64]

    def is_lost(self, cost: float) -> bool:
        return bool(
            self.after[0] < self.before - cost and (self.after < self.before - 0.8 * cost).mean() > 0.85
        )


def level_at(values: NDArray[Any], record: int) -> Level:
    return Level(float(np.median(values[max(0, record - 10) : record])), values[record : record + 10])


def arrays_of(records: list[dict[str, float]]) -> Arrays:
    """Columns, as the traces have them."""
    names = sorted({name for record in records for name in record})
    return {name: np.array([record.get(name, np.nan) for record in records], np.float32) for name in names}


def label_of(arrays: Arrays, modes: int) -> dict[str, Any]:
    """Where a training turned, seen from its end: the first record from which Q or D stays down."""
    values = {
        "Q": np.nan_to_num(arrays["Q"].astype(np.float64)),
        "D": np.nan_to_num(arrays["D"].astype(np.float64)) / np.log(modes),
    }
    length = len(values["Q"])
    onset = next(
        (
            record
            for record in range(8, length - 5)
            if any(level_at(values[name], record).is_lost(LOST[name]) for name in LOST)
        ),
        None,
    )
    upto = length if onset is None else onset
    best = {name: np.quantile(series[:upto], 0.9) for name, series in values.items()}
    learned = int(np.sum((values["Q"][:upto] > 0.75 * best["Q"]) & (values["D"][:upto] > 0.8 * best["D"])))
    if onset is None:
        has_learned = learned > length / 2 and best["Q"] > 0.2
        return {"cls": "healthy" if has_learned else "never_stable", "onset": None, "moved": []}
    moved = [name for name in LOST if level_at(values[name], onset).is_lost(LOST[name])]
    if _angles_moved(arrays, onset):
        moved.append("S")
    is_turn = learned >= 12 and len(moved) > 1
    return {
        "cls": "turning" if is_turn else "never_stable",
        "onset": onset if is_turn else None,
        "moved": moved,
    }


def _angles_moved(arrays: Arrays, onset: int) -> bool:
    for name in ("S_G_ep", "S_D_ep"):
        before = np.nanmedian(arrays[name][max(0, onset - 10) : onset])
        if np.nanmax(arrays[name][onset : onset + 4]) > 1.8 * before:
            return True
        if np.nanmedian(arrays[name][onset : onset + 8]) < 0.4 * before:
            return True
    return False
