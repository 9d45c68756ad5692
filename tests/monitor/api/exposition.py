"""Prometheus' text format 0.0.4, read strictly: what a scraper would complain of raises."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_ENDINGS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


@dataclass
class Family:
    kind: str
    help: str
    #: (name, labels) to value.
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    name = help_text = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, help_text = line.split(" ", 3)
            assert name not in families, f"{name} is described twice"
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert typed == name, f"TYPE of {typed} follows HELP of {name}"
            families[name] = Family(kind, help_text)
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            family = families[name]
            assert match[1] in {name + ending for ending in _ENDINGS[family.kind]}, line
            key = (match[1], _labels(match[2] or ""))
            assert key not in family.samples, f"{line} comes twice"
            family.samples[key] = float(match[3])
    for name, family in families.items():
        assert family.kind != "counter" or name.endswith("_total"), name
        if family.kind == "histogram":
            _check_histogram(name, family)
    return families


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    found = _LABEL.findall(text)
    assert ",".join(f'{name}="{value}"' for name, value in found) == text, text
    return tuple(found)


def _check_histogram(name: str, family: Family) -> None:
    buckets = [
        (float(dict(labels)["le"]), count)
        for (sample, labels), count in family.samples.items()
        if sample == f"{name}_bucket"
    ]
    assert buckets == sorted(buckets)
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert buckets[-1] == (float("inf"), family.samples[f"{name}_count", ()])
    assert family.samples[f"{name}_sum", ()] >= 0
