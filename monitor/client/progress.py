"""What a resumed process must know of the one before it: the attempt, and the marks already set."""

from __future__ import annotations

from pathlib import Path

import msgspec

from monitor.client.layout import replace_file


class Progress(msgspec.Struct):
    """Of one run and rank; written at every mark and attempt."""

    attempt: int = 0
    #: Index and step of the lineage's marks.
    marks: list[tuple[int, int]] = []

    def next_mark(self, step: int) -> int:
        index = self.marks[-1][0] + 1 if self.marks else 0
        self.marks.append((index, step))
        return index

    def rewind(self, step: int) -> None:
        """Begin the next attempt: marks beyond the step are not its own."""
        self.attempt += 1
        self.marks = [mark for mark in self.marks if mark[1] <= step]


def progress_path(directory: Path, run: str, rank: int) -> Path:
    return directory / "runs" / run / f"rank-{rank}.json"


def read_progress(path: Path) -> Progress:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError):
        return Progress()


def write_progress(path: Path, progress: Progress) -> None:
    """Best effort: it serves a later resume, and training goes on without it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(progress))
    except OSError:
        return
