"""Where rules come from: the defaults, and TOML that people wrote. A mistake is told with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from monitor.detection.rules.parsing import CONDITIONS, RuleError, parse_rule

DEFAULTS = Path(__file__).with_name("defaults.toml")

Definitions = dict[str, dict[str, Any]]


class RulesError(Exception):
    """What is wrong with a text of rules, and in which line."""


def read_rules(text: str) -> Definitions:
    """The definitions by name, each complete and found sound. Raises :class:`RulesError`."""
    return _read(text, default_definitions())


def complete(
    name: str, definition: Mapping[str, Any], defaults: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A default of which only some keys are given, such as ``enabled``, keeps its others."""
    default = (default_definitions() if defaults is None else defaults).get(name, {})
    return {**({} if any(key in definition for key in CONDITIONS) else default), **definition}


def _read(text: str, defaults: Mapping[str, dict[str, Any]]) -> Definitions:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"not TOML: {error}") from None
    for key in document:
        if key != "rules":
            raise RulesError(
                f"{_at(text, None, key)}{key}: rules are tables such as [rules.my-rule]; rename it"
            )
    rules = document.get("rules", {})
    if not isinstance(rules, dict):
        raise RulesError(f"{_at(text, None, 'rules')}rules: tables such as [rules.my-rule] are needed")
    definitions: Definitions = {}
    for name, given in rules.items():
        if not isinstance(given, dict):
            raise RulesError(f"{_at(text, 'rules', name)}{name}: a table [rules.{name}] is needed")
        try:
            definitions[name] = complete(name, given, defaults)
            parse_rule(name, definitions[name])
        except RuleError as error:
            where = f"rules.{name}.{error.key}" if error.key else f"rules.{name}"
            raise RulesError(f"{_at(text, name, error.key)}{where}: {error.detail}") from None
    return definitions


@cache
def default_definitions() -> Mapping[str, dict[str, Any]]:
    return _read(DEFAULTS.read_text(encoding="utf-8"), {})


def _at(text: str, table: str | None, key: str) -> str:
    """``line 12: ``, where the key, or at least its table, can be found in the text."""
    found = None
    inside = table is None
    header = re.compile(rf"\s*\[\s*rules\s*\.\s*([\"']?){re.escape(table or '')}\1\s*\]")
    assignment = re.compile(
        rf"\s*([\"']?){re.escape(key)}\1\s*[=.]|\s*\[+\s*([\"']?){re.escape(key)}\2\s*[\].]"
    )
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("[") and table is not None:
            inside = header.match(line) is not None
            found = number if inside else found
        if inside and key and assignment.match(line):
            return f"line {number}: "
    return f"line {found}: " if found else ""
