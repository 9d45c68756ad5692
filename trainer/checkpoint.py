"""Checkpoints that continue bit for bit and survive a kill at any moment.

A checkpoint is one file, ``step-000001234.<first 16 hex digits of its SHA-256>.pt``, written beside its
place, flushed to the disk and renamed, so a file of that name is complete or damaged later, and the name
tells which. It is a plain ``torch.save`` file of tensors, numbers, strings and containers and is read with
``weights_only=True``: no code is ever loaded from one. A damaged checkpoint falls back to the one before it.
"""

import hashlib
import io
import logging
import os
import pickle  # its errors only
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from trainer.config import Config, from_dict, to_dict
from trainer.errors import CheckpointError, DamagedCheckpointError, UnsavedError

logger = logging.getLogger(__name__)

FORMAT = 2
_NAME = re.compile(r"step-(\d{9,})\.([0-9a-f]{16})\.pt")


class Stateful(Protocol):
    def state_dict(self) -> Any: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


@dataclass(frozen=True)
class Checkpoint:
    step: int
    config: Config
    #: The state of every part of the training, by name.
    parts: dict[str, Any]
    path: Path
    #: Parts that begin anew: a training that went back goes on from here another way.
    anew: frozenset[str] = frozenset()

    def restore(self, parts: Mapping[str, Stateful]) -> None:
        """Puts every part back where it was."""
        if missing := sorted(set(parts) ^ set(self.parts)):
            raise CheckpointError(
                f"{self.path}: holds other parts than this training has: {', '.join(missing)}"
            )
        for name, part in parts.items():
            if name in self.anew:
                continue
            try:
                part.load_state_dict(self.parts[name])
            except (RuntimeError, ValueError, KeyError) as problem:
                raise CheckpointError(
                    f"{self.path}: {name} does not fit this configuration: {problem}"
                ) from problem


class Retention(Protocol):
    def kept(self, steps: Sequence[int]) -> Set[int]:
        """Which of the checkpoints of these steps, the newest first, are kept."""


class Keeps(Protocol):
    """Where the checkpoints of a training go."""

    def save(
        self, step: int, config: Config, parts: Mapping[str, Stateful], retention: Retention
    ) -> object: ...


class CheckpointDirectory:
    """The checkpoints of one training."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, step: int, config: Config, parts: Mapping[str, Stateful], retention: Retention) -> Path:
        """Writes the state of every part. Afterwards it is on the disk, or an ``UnsavedError`` has left what
        was there.
        """
        content = {
            "format": FORMAT,
            "step": step,
            "config": to_dict(config),
            "parts": {name: part.state_dict() for name, part in parts.items()},
        }
        try:
            final = self._write(step, content)
        except OSError as problem:
            raise UnsavedError(
                f"no checkpoint of step {step} in {self.path.absolute()}: {problem.strerror or problem}; "
                "make room there, and go on from the one before"
            ) from problem
        paths = list(self.newest_first())
        kept = retention.kept([step_of(path) for path in paths])
        for old in paths:
            if step_of(old) not in kept:
                old.unlink(missing_ok=True)
        return final

    def _write(self, step: int, content: dict[str, Any]) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / ".partial"  # always the same: what a kill leaves of one is written over
        # Into memory first: torch.save hides what is wrong with a disk behind an error of its own.
        serialized = io.BytesIO()
        torch.save(content, serialized)
        data = serialized.getbuffer()
        final = self.path / f"step-{step:09d}.{hashlib.sha256(data).hexdigest()[:16]}.pt"
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)
        _flush_directory(self.path)
        return final

    def newest(self, before: int | None = None) -> Checkpoint | None:
        """The newest checkpoint that is whole, ``before`` a step if one is given; None where there is none.

        Damaged ones are renamed, so that they count for nothing afterwards.
        """
        paths = [path for path in self.newest_first() if before is None or step_of(path) < before]
        for path in paths:
            try:
                return read(path)
            except DamagedCheckpointError as problem:
                logger.warning("%s; trying the one before", problem)
                path.rename(path.with_suffix(".damaged"))
        if paths:
            raise CheckpointError(f"none of the {len(paths)} checkpoints in {self.path.absolute()} is whole")
        return None

    def set_aside(self, after: int) -> None:
        """What was written after a step counts for nothing any more; the newest is kept in ``left``, for who
        thinks better of it.
        """
        given_up = [path for path in self.newest_first() if step_of(path) > after]
        for path in given_up[1:]:
            path.unlink(missing_ok=True)
        for path in given_up[:1]:
            left = self.path / "left"
            left.mkdir(exist_ok=True)
            path.replace(left / path.name)

    def newest_first(self) -> Iterator[Path]:
        # Of two with one step (a training that went back) the later written one is the newer.
        paths = (path for path in self.path.glob("step-*.pt") if _NAME.fullmatch(path.name))
        found = [(step_of(path), path.stat().st_mtime_ns, path) for path in paths]
        yield from (path for _, _, path in sorted(found, reverse=True))


def step_of(path: Path) -> int:
    return int(path.name.split(".")[0].removeprefix("step-"))


def read(path: Path) -> Checkpoint:
    """One checkpoint, or the reason why it cannot be trusted."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise CheckpointError(f"{path} is not named like a checkpoint")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if not digest.startswith(name[2]):
                raise DamagedCheckpointError(
                    f"{path} is damaged: its content does not have the checksum in its name"
                )
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise CheckpointError(f"{path} cannot be read: {problem}") from problem
    except pickle.UnpicklingError as problem:
        raise CheckpointError(f"{path} does not hold plain data: {problem}") from problem
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{path} was written by another version (its format is {content['format']}, this version reads "
            f"{FORMAT}): go on with the version that wrote it, or begin a new training"
        )
    return Checkpoint(content["step"], from_dict(content["config"]), content["parts"], path)


def _flush_directory(path: Path) -> None:
    """The rename itself is on the disk only after this."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
