"""Where a spool's files lie and who may touch them."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SUFFIX = ".segment"


def spool_directory(directory: Path, run: str, writer: str) -> Path:
    return directory / "spool" / run / writer


def quarantine_directory(directory: Path, run: str, writer: str) -> Path:
    """Where damaged segments are set aside."""
    return directory / "quarantine" / run / writer


def all_spools(directory: Path) -> Iterator[Path]:
    """The spools on this disk that hold something, oldest name first."""
    for run in _subdirectories(directory / "spool"):
        for spool in _subdirectories(run):
            if segments(spool):
                yield spool


def segment_path(spool: Path, first: int) -> Path:
    return spool / f"{first:016d}{SUFFIX}"


def first_of(segment: Path) -> int:
    return int(segment.name.removesuffix(SUFFIX))


def segments(spool: Path) -> list[Path]:
    """Oldest first."""
    try:
        names = os.listdir(spool)
    except OSError:
        return []
    stems = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return [segment_path(spool, first) for first in sorted(int(stem) for stem in stems if stem.isdecimal())]


def note_refusal(spool: Path, reason: str) -> None:
    """The server wants nothing of this spool; it is kept for a person to judge."""
    with suppress(OSError):
        replace_file(spool / "refused", reason.encode())


def refusal_of(spool: Path) -> str | None:
    try:
        return (spool / "refused").read_text()
    except OSError:
        return None


def remove_segment(segment: Path) -> int:
    """Returns the bytes this freed."""
    try:
        size = segment.stat().st_size
        segment.unlink()
    except OSError:
        return 0
    return size


def remove_spool(spool: Path) -> None:
    """All of it is delivered."""
    shutil.rmtree(spool, ignore_errors=True)
    with suppress(OSError):
        # The directory of the run goes with its last writer.
        spool.parent.rmdir()


def take_lock(spool: Path) -> int | None:
    """The file descriptor that holds the lock of a spool, or None where another holds it."""
    descriptor = os.open(spool / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # flock belongs to the open file: it also keeps out a second run of the same process.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def replace_file(path: Path, data: bytes) -> None:
    """Whoever reads the file finds the old content or the new, never a part."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)


def _subdirectories(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:
        return []
