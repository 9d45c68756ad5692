"""W&B's offline runs: the ``run-<id>.wandb`` file, with the messages of the wandb package itself.

The file is a LevelDB log: seven bytes of header (":W&B", 0xBEE1, version 0), then blocks of 32 KiB of chunks

    offset  size  field
    0       4     CRC-32 of the type and the data
    4       2     length of the data
    6       1     type: 1 whole, 2 first, 3 middle, 4 last
    7       ...   data

The chunks of a record, put together, are one ``wandb_internal_pb2.Record``. Newer versions of the package
hold the reader of the file in a program of their own, so it is read here. Numbers, histograms and images of
the history are imported; media files lie beside the file.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from monitor.client.quantiles import distribution_of
from monitor.interop.fields import number_of
from monitor.interop.packages import load
from monitor.interop.pictures import BROKEN_IMAGE, open_image
from monitor.interop.records import (
    MALFORMED,
    About,
    Distribution,
    Note,
    Pictures,
    Record,
    Scalars,
    Unreadable,
)

name = "wandb"
_IDENTITY = b":W&B\xe1\xbe\x00"
_BLOCK = 32768
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def reads(path: Path) -> bool:
    return path.suffix == ".wandb"


def describe(path: Path) -> About:
    config: dict[str, Any] = {}
    name = project = ""
    began: float | None = None
    ended: float | None = None
    outcome: tuple[Any, str] = ("failed", "the log ends without the end of the run")
    for record in _messages(path):
        if isinstance(record, Note):
            continue
        with suppress(*MALFORMED):
            match record.WhichOneof("record_type"):
                case "run":
                    name, project = record.run.display_name, record.run.project
                    began = record.run.start_time.seconds + record.run.start_time.nanos / 1e9
                    _update(config, record.run.config.update)
                case "config":
                    _update(config, record.config.update)
                case "history":
                    ended = _time_of(_history(record)) or ended
                case "exit":
                    code = record.exit.exit_code
                    outcome = ("failed", f"exit code {code}") if code else ("finished", "")
    config.pop("_wandb", None)
    return About(config, name, project, began, ended, outcome[0], outcome[1])


def read(path: Path) -> Iterator[Record]:
    for record in _messages(path):
        if isinstance(record, Note):
            yield record
        elif record.WhichOneof("record_type") == "history":
            try:
                yield from _records(path, record)
            except MALFORMED as error:
                yield Note(f"a record is not as W&B writes it: {error}", is_damage=True)


def _records(path: Path, record: Any) -> Iterator[Record]:
    history = _history(record)
    step = int(history.pop("_step", record.history.step.num))
    if not -(2**63) <= step < 2**63:
        raise ValueError(f"step {step} is beyond 64 bits")
    time = _time_of(history)
    history.pop("_timestamp", None)
    history.pop("_runtime", None)
    numbers: dict[str, float] = {}
    for key, value in _leaves(history, ""):
        match value:
            case bool() | int() | float():
                numbers[key] = float(value)
            case {"_type": "histogram", "values": counts, "bins": edges}:
                values = distribution_of(edges[:-1], edges[1:], counts)
                if values:
                    yield Distribution(step, time, key, values)
            case {"_type": "image-file", "path": str(file)}:
                yield _image(step, time, key, path.parent / "files", [file])
            case {"_type": "images/separated", "filenames": [*files]}:
                yield _image(step, time, key, path.parent / "files", files)
            case {"_type": kind}:
                yield Note(f"{key!r} holds {kind}, which is not imported")
            case None:
                continue
            case _:
                yield Note(f"{key!r} holds {type(value).__name__}, not numbers")
    if numbers:
        yield Scalars(step, time, numbers)


def _image(step: int, time: float | None, key: str, folder: Path, files: list[str]) -> Record:
    try:
        images = [open_image(_inside(folder, file)) for file in files]
        return Pictures(step, time, key, np.stack(images))
    except BROKEN_IMAGE as error:
        return Note(f"an image of {key!r} cannot be read: {error}")


def _inside(folder: Path, file: str) -> Path:
    """A log names its files; it must not have others of this machine read."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{file} is not in the run's folder")
    return path


def _time_of(history: Mapping[str, Any]) -> float | None:
    time = number_of(history.get("_timestamp"))
    return time if time is not None and math.isfinite(time) else None


def _history(record: Any) -> dict[str, Any]:
    history: dict[str, Any] = {}
    _update(history, record.history.item)
    return history


def _update(target: dict[str, Any], items: Any) -> None:
    for item in items:
        *outer, last = item.nested_key or [item.key]
        inner = target
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = json.loads(item.value_json)


def _leaves(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and "_type" not in inner:
            yield from _leaves(inner, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", inner


def _messages(path: Path) -> Iterator[Any]:
    """Records, and a note where one is lost."""
    record_class = load("wandb.proto.wandb_internal_pb2").Record
    decode_error = load("google.protobuf.message").DecodeError
    for piece in _pieces(path):
        if isinstance(piece, Note):
            yield piece
            continue
        try:
            record = record_class.FromString(piece)
        except decode_error:
            yield Note("a damaged record is left out", is_damage=True)
        else:
            yield record


def _pieces(path: Path) -> Iterator[bytes | Note]:
    """Whole records, as bytes."""
    data = path.read_bytes()
    if not data.startswith(_IDENTITY):
        raise Unreadable("it does not begin as a W&B run does")
    at = len(_IDENTITY)
    parts: list[bytes] | None = None
    while at < len(data):
        if _BLOCK - at % _BLOCK < _CHUNK.size:
            at += _BLOCK - at % _BLOCK
            continue
        chunk = data[at : at + _CHUNK.size]
        checksum, length, kind = _CHUNK.unpack(chunk) if len(chunk) == _CHUNK.size else (0, len(data), 0)
        body = data[at + _CHUNK.size : at + _CHUNK.size + length]
        if len(body) < length:
            yield Note(f"byte {at}: the file breaks off", is_damage=True)
            return
        if zlib.crc32(body, zlib.crc32(bytes([kind]))) != checksum:
            yield Note(f"byte {at}: the rest of a damaged block is skipped", is_damage=True)
            at += _BLOCK - at % _BLOCK
            parts = None
            continue
        at += _CHUNK.size + length
        if kind in {_WHOLE, _FIRST}:
            parts = []
        if parts is None:
            continue
        parts.append(body)
        if kind in {_WHOLE, _LAST}:
            yield b"".join(parts)
            parts = None
