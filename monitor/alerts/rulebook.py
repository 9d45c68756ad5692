"""Which rules hold: the defaults, over them those of the rules file, over the defaults those made over HTTP.

A name stands for one rule. What is in the operator's file cannot be changed over HTTP: who reads the file
sees what holds.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Float, Select, bindparam, create_engine, select

from monitor.detection.rules.parsing import parse_rule
from monitor.detection.rules.reader import RuleError
from monitor.detection.rules.rule import Rule
from monitor.detection.rules.sources import Definitions, RulesError, default_definitions, read_rules
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
    #: Asks whether its filter finds a run at a time. Made once: that takes ten times as long as asking.
    finds: Select[Any] | None = None

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
        #: By database: after which revision what held.
        self._known: WeakKeyDictionary[Engine, tuple[int, dict[str, Entry]]] = WeakKeyDictionary()

    @classmethod
    def load(cls, path: Path | None) -> RuleBook:
        """With the rules of a file; :class:`Misuse` says what is wrong with it."""
        return cls() if path is None else cls(read_rules_file(path))

    def is_in_file(self, name: str) -> bool:
        return name in self._definitions

    def entries(self, c: Connection) -> Mapping[str, Entry]:
        """Every rule by name. They are only read again where a revision was made."""
        revision = stored.count_revisions(c)
        known = self._known.get(c.engine)
        if known is None or known[0] != revision:
            known = self._known[c.engine] = (revision, self._read(c))
        return known[1]

    def _read(self, c: Connection) -> dict[str, Entry]:
        entries = {name: _with_filter(c, entry) for name, entry in self._fixed.items()}
        for made in stored.current_rules(c):
            if made.definition is None or self.is_in_file(made.name):
                continue
            try:
                rule = parse_rule(made.name, made.definition)
                entry = Entry(rule, made.definition, "http", made.revision, made.changed)
                entries[made.name] = _with_filter(c, entry)
            except (RuleError, FilterError) as error:  # made by another version
                log.error("the rule %s is left out: %s", made.name, error)
        return dict(sorted(entries.items()))


def read_rules_file(path: Path) -> Definitions:
    """The rules of a file; :class:`Misuse` says all that is wrong with it, and in which lines."""
    try:
        return read_rules(path.read_text(encoding="utf-8"), check_filter)
    except OSError as error:
        raise Misuse(f"cannot read the rules file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise Misuse(f"the rules file {path} is no text in UTF-8: {error.reason}") from None
    except RulesError as error:
        raise Misuse(f"{path}: {error}") from None


def _with_filter(c: Connection, entry: Entry) -> Entry:
    if entry.rule.filter is None:
        return entry
    condition = filter_runs(c, entry.rule.filter, bindparam("now", type_=Float(53)))
    finds = select(schema.Run.id).where(schema.Run.id == bindparam("run_id"), condition)
    return replace(entry, finds=finds)


def check_filter(_name: str, definition: Mapping[str, Any]) -> None:
    """:class:`RuleError` where the rule's filter is none; what is no text is told by ``parse_rule``."""
    text = definition.get("filter")
    if not isinstance(text, str):
        return
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as nowhere:
            filter_runs(nowhere, text, 0.0)
    except FilterError as error:
        raise RuleError("filter", error.detail) from None
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
        if rule.enabled and is_of_project and _finds(c, entry, run_id, now):
            held[rule.name] = entry
    return held


def _finds(c: Connection, entry: Entry, run_id: str, now: float) -> bool:
    return entry.finds is None or c.execute(entry.finds, {"run_id": run_id, "now": now}).first() is not None
