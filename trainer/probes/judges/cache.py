"""Judges that were fitted once, as files: under a hash of all that made them."""

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

logger = logging.getLogger(__name__)


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganwatch" / "judges"


def key_of(*parts: Tensor | str | Path) -> str:
    """A hash of tensors (shape, type and content), words, and what is in files."""
    digest = hashlib.sha256()
    for part in parts:
        match part:
            case Tensor():
                array = np.ascontiguousarray(part.cpu().numpy())
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(array.data)
            case Path():
                digest.update(part.read_bytes())
            case _:
                digest.update(part.encode())
    return digest.hexdigest()


class Cached:
    """One judge's tensors in ``directory`` (default: ganwatch in the user's cache folder)."""

    def __init__(self, name: str, key: str, directory: Path | None = None) -> None:
        self.name, self.key = name, key
        self.path = (directory or cache_directory()) / f"{name}-{key[:16]}.npz"

    def read(self) -> dict[str, Tensor] | None:
        """None where there is nothing that can be trusted."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if str(stored["key"]) != self.key:
                    return None
                return {name: torch.from_numpy(stored[name]) for name in stored.files if name != "key"}
        except (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile):
            return None

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """All or nothing: readers see the old file or the new one. A cache that cannot be written costs only
        time.
        """
        arrays: dict[str, Any] = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".tmp", delete=False) as file:
                temporary = Path(file.name)
                try:
                    np.savez(file, key=np.array(self.key), **arrays)
                    file.flush()
                    os.fsync(file.fileno())
                    temporary.replace(self.path)
                except BaseException:
                    temporary.unlink(missing_ok=True)
                    raise
        except OSError as error:
            logger.warning("the judge %s is not cached and is fitted again next time: %s", self.name, error)
