"""One JSON object a line, as BigGAN-PyTorch, ADM and many others write.

    {"itr": 2000, "IS_mean": 2.8, "FID": 173.8, "_stamp": 1551403232.04}

Nested objects become ``outer/inner``. A line that is no object is told and left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from monitor.interop.fields import describe_rows, scalars_of
from monitor.interop.records import About, Note, Record

name = "jsonl"
#: What is longer is read in parts, of which none is an object.
LONGEST = 2**24


def reads(path: Path) -> bool:
    with path.open("rb") as file:
        lines = iter(partial(file.readline, LONGEST), b"")
        line = next((line for line in lines if line.strip()), b"").strip()
    return line.startswith(b"{") and (path.suffix in {".jsonl", ".ndjson"} or line.endswith(b"}"))


def describe(path: Path) -> About:
    return describe_rows(read(path))


def read(path: Path) -> Iterator[Record]:
    damage: list[Note] = []
    yield from scalars_of(_lines(path, damage))
    yield from damage


def _lines(path: Path, damage: list[Note]) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(iter(partial(file.readline, LONGEST), ""), 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                torn = "is torn" if not line.endswith("\n") else "is damaged"
                damage.append(Note(f"line {number} {torn}", is_damage=True))
                continue
            if isinstance(entry, dict):
                yield entry
            else:
                damage.append(Note(f"line {number} is no object", is_damage=True))
