"""Real faces and what is none, from the packed sets."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from trainer.probes.judges.arcface import IdentityBank
from trainer.probes.judges.recognition import Crop, Recognizer

FACES, OBJECTS, MODEL = "lfw_wide64.npz", "cifar10_lossless4k.npz", "arcface_mobilefacenet.onnx"
#: Where LFW's faces lie; typical_crop finds it.
LFW = Crop(x=0.012, y=-0.052, side=0.908)


def needed(folder: Path, *names: str) -> None:
    for name in names:
        if not (folder / name).exists():
            pytest.skip(f"{folder / name} is missing")


def images_of(path: Path, chosen: list[int]) -> Tensor:
    """float32 ``[N, 3, H, W]`` in [-1, 1]."""
    with np.load(path) as packed:
        data, offset = packed["data"], packed["offset"]
    decoded = [
        np.asarray(Image.open(io.BytesIO(data[offset[i] : offset[i + 1]].tobytes())).convert("RGB"))
        for i in chosen
    ]
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).float() / 127.5 - 1


def some(path: Path, n: int) -> Tensor:
    """``n`` of its images, from all over the set."""
    with np.load(path) as packed:
        total = len(packed["offset"]) - 1
    return images_of(path, np.linspace(0, total - 1, n).astype(int).tolist())


def known_people(path: Path, at_least: int) -> tuple[list[int], list[int]]:
    """Images of people who have so many, and whose they are, numbered from 0."""
    with np.load(path) as packed:
        label = packed["label"]
    stay = np.flatnonzero(np.bincount(label) >= at_least)
    chosen = np.flatnonzero(np.isin(label, stay))
    return chosen.tolist(), np.searchsorted(stay, label[chosen]).tolist()


def bank_of(recognizer: Recognizer, embeddings: Tensor, person: Tensor) -> IdentityBank:
    m = int(person.max()) + 1
    means = torch.stack([normalize(embeddings)[person == j].mean(dim=0) for j in range(m)])
    return IdentityBank(
        normalize(means),
        tuple(f"person {j}" for j in range(m)),
        torch.bincount(person),
        recognizer.model,
        str(recognizer.path),
        recognizer.crop,
    )


def write_packed(path: Path, source: Path, chosen: list[int]) -> None:
    with np.load(source) as packed:
        parts = [packed["data"][packed["offset"][i] : packed["offset"][i + 1]] for i in chosen]
        label, names = packed["label"][chosen], packed["identity"]
    people, number = np.unique(label, return_inverse=True)
    offset = np.cumsum([0, *map(len, parts)])
    np.savez(
        path,
        data=np.concatenate(parts),
        offset=offset,
        label=number.astype(np.int32),
        identity=names[people],
    )
