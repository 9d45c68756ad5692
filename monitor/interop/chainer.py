"""Chainer's ``LogReport``: one JSON list of one object an entry, rewritten whole at each.

    [{"iteration": 100, "epoch": 0, "elapsed_time": 15.4, "loss_gen": 0.0093, ...}, ...]

Of a list that breaks off, every whole object is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitor.interop.fields import describe_rows, scalars_of
from monitor.interop.records import About, Note, Record

name = "chainer"
_DECODER = json.JSONDecoder()


def reads(path: Path) -> bool:
    with path.open("rb") as file:
        beginning = file.read(4096).split()
    return beginning[:1] in ([b"["], [b"[{"]) or b"".join(beginning).startswith(b"[{")


def describe(path: Path) -> About:
    return describe_rows(read(path))


def read(path: Path) -> Iterator[Record]:
    text = path.read_text(encoding="utf-8", errors="replace")
    damage: list[Note] = []
    yield from scalars_of(_objects(text, damage))
    yield from damage


def _objects(text: str, damage: list[Note]) -> Iterator[Mapping[str, Any]]:
    at = text.index("[") + 1
    while True:
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return
        try:
            entry, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            damage.append(Note(f"the list breaks off at character {at}", is_damage=True))
            return
        if isinstance(entry, dict):
            yield entry
        else:
            damage.append(Note(f"an entry is {type(entry).__name__}, not an object"))


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in {" ", "\t", "\r", "\n", ","} and at < len(text):
        at += 1
    return at
