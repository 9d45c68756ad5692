"""Which rules hold: the defaults, over them those of the rules file, over the defaults those made over HTTP.

A name stands for one rule. What is in the operator's file cannot be changed over HTTP: who reads the file
sees what holds.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, create_engine, select

from monitor.detection.rules.parsing import RuleError, parse_rule
from monitor.detection.rules.rule import Rule
from monitor.detection.rules.sources import RulesError, default_definitions, read_rules
from monitor.detection.rules.watching import matches_glob
from monitor.errors import Misuse
from monitor.store import rules as stored
from monitor.store import schema
from monitor.store.filter_grammar import FilterError
from monitor.store.filters import filter_runs

log = logging.getLogger("ganwatch")

Origin = Literal["default", "file", "http"]


@dataclass(frozen=True)
class Entry:
    """A rule that holds, or rests, and where it comes from."""

    rule: Rule
    definition: Mapping[str, Any]
    origin: Origin
    #: Of a rule made over HTTP; 0 otherwise.
    revision: int = 0
    changed: float | None = None

    @property
    def fingerprint(self) -> str:
        """Another one for every other definition: what was remembered under one means nothing to another."""
        return fingerprint_of(json.dumps(self.definition, sort_keys=True))


@lru_cache(maxsize=1024)
def fingerprint_of(definition: str) -> str:
    return hashlib.sha256(definition.encode()).hexdigest()[:16]


class RuleBook:
    """The rules of a service. ``definitions`` are those of its rules file."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._definitions = dict(definitions or {})
        self._fixed = {
            name: Entry(parse_rule(name, definition), definition, "default")
            for name, definition in default_definitions().items()
        } | {
            name: Entry(parse_rule(name, definition), definition, "file")
            for name, definition in self._definitions.items()
        }

    @classmethod
    def load(cls, path: Path | None) -> RuleBook:
        """With the rules of a file; :class:`Misuse` says what is wrong with it."""
        if path is None:
            return cls()
        try:
            definitions = read_rules(path.read_text(encoding="utf-8"))
            for name, definition in definitions.items():
                check_filter(name, definition)
        except (OSError, UnicodeDecodeError) as error:
            raise Misuse(f"cannot read the rules file {path}: {error}") from None
        except RulesError as error:
            raise Misuse(f"{path}: {error}") from None
        except RuleError as error:
            raise Misuse(f"{path}: {error}") from None
        return cls(definitions)

    def is_in_file(self, name: str) -> bool:
        return name in self._definitions

    def entries(self, c: Connection) -> dict[str, Entry]:
        """Every rule by name."""
        entries = dict(self._fixed)
        for made in stored.current_rules(c):
            if made.definition is None or self.is_in_file(made.name):
                continue
            try:
                rule = parse_rule(made.name, made.definition)
            except RuleError as error:  # made by another version
                log.error("the rule %s is left out: %s", made.name, error)
                continue
            entries[made.name] = Entry(rule, made.definition, "http", made.revision, made.changed)
        return dict(sorted(entries.items()))


def check_filter(name: str, definition: Mapping[str, Any]) -> None:
    """:class:`RuleError` where the rule's filter is none."""
    text = definition.get("filter")
    if text is None:
        return
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as nowhere:
            filter_runs(nowhere, text, 0.0)
    except FilterError as error:
        raise RuleError("filter", f"of {name}: {error.detail}") from None
    finally:
        engine.dispose()


def rules_for(
    c: Connection, run_id: str, project: str, entries: Iterable[Entry], now: float
) -> dict[str, Entry]:
    """Those that hold for a run."""
    held: dict[str, Entry] = {}
    for entry in entries:
        rule = entry.rule
        is_of_project = rule.project is None or matches_glob(rule.project, project)
        if rule.enabled and is_of_project and _is_found(c, run_id, rule.filter, now):
            held[rule.name] = entry
    return held


def _is_found(c: Connection, run_id: str, text: str | None, now: float) -> bool:
    if text is None:
        return True
    condition = filter_runs(c, text, now)
    return c.execute(select(schema.Run.id).where(schema.Run.id == run_id, condition)).first() is not None
