"""Where rules come from: the defaults, and TOML that people wrote. A mistake is told with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from monitor.detection.rules.parsing import CONDITIONS, parse_rule
from monitor.detection.rules.reader import RuleError, meant

DEFAULTS = Path(__file__).with_name("defaults.toml")

Definitions = dict[str, dict[str, Any]]


#: Raises :class:`RuleError` where something is wrong with a rule of this name that only the service knows.
Check = Callable[[str, Mapping[str, Any]], object]


class RulesError(Exception):
    """What is wrong with a text of rules, all of it, and in which lines."""

    def __init__(self, faults: Sequence[str]) -> None:
        several = [f"{len(faults)} mistakes", *faults]
        super().__init__(faults[0] if len(faults) == 1 else "\n  ".join(several))


def read_rules(text: str, *checks: Check) -> Definitions:
    """The definitions by name, each complete and found sound. Raises :class:`RulesError`."""
    return _read(text, default_definitions(), parse_rule, *checks)


def complete(
    name: str, definition: Mapping[str, Any], defaults: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A default of which only some keys are given, such as ``enabled``, keeps its others."""
    default = (default_definitions() if defaults is None else defaults).get(name, {})
    return {**({} if any(key in definition for key in CONDITIONS) else default), **definition}


def _read(text: str, defaults: Mapping[str, dict[str, Any]], *checks: Check) -> Definitions:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError([f"not TOML: {error}"]) from None
    #: (line, or 0 where nobody knows, and what is wrong there)
    faults: list[tuple[int, str]] = []
    for key in document:
        if key != "rules":
            said = f"{key}: rules are tables such as [rules.my-rule]; rename it"
            faults.append((_line(text, None, key), said))
    rules = document.get("rules", {})
    if not isinstance(rules, dict):
        faults.append((_line(text, None, "rules"), "rules: tables such as [rules.my-rule] are needed"))
        rules = {}
    definitions: Definitions = {}
    for name, given in rules.items():
        if not isinstance(given, dict):
            faults.append((_line(text, "rules", name), f"{name}: a table [rules.{name}] is needed"))
            continue
        definitions[name] = complete(name, given, defaults)
        for check in checks:
            try:
                check(name, definitions[name])
            except RuleError as error:
                for fault in error.faults:
                    where = f"rules.{name}.{fault.key}" if fault.key else f"rules.{name}"
                    near = "" if fault.key else _near_default(name, given, defaults)
                    faults.append((_line(text, name, fault.key), f"{where}: {fault.detail}{near}"))
    if faults:
        raise RulesError([f"line {line}: {said}" if line else said for line, said in sorted(faults)])
    return definitions


def _near_default(name: str, given: Mapping[str, Any], defaults: Mapping[str, object]) -> str:
    """What may have been meant by a rule that has no condition, as if it were one of the defaults."""
    has_condition = name in defaults or any(key in given for key in CONDITIONS)
    return "" if has_condition else meant(name, tuple(defaults))


@cache
def default_definitions() -> Mapping[str, dict[str, Any]]:
    return _read(DEFAULTS.read_text(encoding="utf-8"), {}, parse_rule)


def _line(text: str, table: str | None, key: str) -> int:
    """Where the key, or at least its table, can be found in the text; 0 where it cannot."""
    found = 0
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
            return number
    return found
