"""Finding logs: which files belong to a run, which reader they need, and what is left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.interop import chainer, jsonl, progan, tables, tensorboard, wandb
from monitor.interop.records import Reader, Unreadable

#: In the order in which they are asked.
READERS: tuple[Reader, ...] = (tensorboard, wandb, chainer, jsonl, progan, tables)
FORMATS = {reader.name: reader for reader in READERS}


@dataclass(frozen=True)
class Log:
    """One run: a file, or the event files of one directory, as TensorBoard has it."""

    reader: Reader
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        first = self.files[0].absolute()
        if self.reader is tensorboard:
            return first.parent.name or "events"
        return f"{first.parent.name}/{first.stem}"


@dataclass(frozen=True)
class LeftOut:
    """A file that is not imported. ``is_named``: somebody asked for just that one."""

    path: Path
    reason: str
    is_named: bool


def find_logs(paths: Sequence[Path], wanted: Reader | None = None) -> Iterator[Log | LeftOut]:
    """The logs among the files, and in the directories however deep; every other file with the reason."""
    for path in paths:
        if not path.exists():
            yield LeftOut(path, "there is no such file", is_named=True)
            continue
        files = _files_below(path) if path.is_dir() else [path]
        events: dict[Path, list[Path]] = {}
        for file in files:
            try:
                reader = _reader_of(file, wanted)
            except Unreadable as reason:
                yield LeftOut(file, str(reason), is_named=not path.is_dir())
                continue
            if reader is tensorboard:
                events.setdefault(file.parent, []).append(file)
            else:
                yield Log(reader, (file,))
        for together in events.values():
            yield Log(tensorboard, tuple(together))


def _files_below(directory: Path) -> list[Path]:
    files = sorted(entry for entry in directory.rglob("*") if entry.is_file())
    # What lies beside and below a W&B run belongs to it.
    runs = {file.parent: file for file in files if wandb.reads(file)}
    return [file for file in files if all(runs.get(above, file) == file for above in file.parents)]


def _reader_of(file: Path, wanted: Reader | None) -> Reader:
    try:
        if file.stat().st_size == 0:
            raise Unreadable("it is empty")
        reader = wanted or next((reader for reader in READERS if reader.reads(file)), None)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    except ValueError as error:
        raise Unreadable(str(error)) from None
    if reader is None:
        raise Unreadable(f"it is no log of a known format ({', '.join(FORMATS)})")
    return reader
