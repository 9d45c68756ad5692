"""Small encoded images, and the forms in which sets of them come."""

import io
import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.config import Config, Network


def picture(
    width: int, height: int, colour: tuple[int, int, int] = (200, 30, 90), kind: str = "PNG"
) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, kind)
    return out.getvalue()


def grey(level: int, size: int = 16) -> bytes:
    """An image that says which one it is."""
    return picture(size, size, (level, level, level))


def faces(data: Path | None, size: int = 16, dataset: str = "images", channels: int = 3) -> Config:
    return Config(
        recipe="faces",
        dataset=dataset,  # type: ignore[arg-type]
        data=data,
        size=size,
        channels=channels,  # type: ignore[arg-type]
        network=Network(architecture="dcgan"),
        steps=1,
    )


def pack(path: Path, images: list[bytes], **more: object) -> Path:
    offset = np.cumsum([0, *map(len, images)]).astype(np.int64)
    np.savez(path, data=np.frombuffer(b"".join(images), np.uint8), offset=offset, **more)  # type: ignore[arg-type]
    return path


def folder_of(place: Path, levels: range) -> Path:
    place.mkdir(parents=True)
    for level in levels:
        (place / f"{level:03}.png").write_bytes(grey(level))
    return place


def cifar_batch(path: Path, levels: range, kind: str = "labels") -> None:
    """A file of CIFAR as its authors write it: rows of 3072 bytes, all red before all green before all
    blue.
    """
    data = np.repeat(np.array(levels, np.uint8)[:, None], 3072, axis=1)
    path.write_bytes(pickle.dumps({"data": data, kind: [level % 10 for level in levels]}))
