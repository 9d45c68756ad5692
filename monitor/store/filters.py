"""What a filter asks for, as a condition on runs: every value is a parameter, nothing of it becomes SQL.

========================== ======================= ===================================================
field                      values                  operators
========================== ======================= ===================================================
name, notes                text                    ``:`` contains, whatever the case; ``=`` exactly
project, id, tag, config.* text                    ``:`` is, whatever the case; ``=`` exactly
config.*, last("...")      a number                ``:`` ``=`` ``<`` ``<=`` ``>`` ``>=``
attempt, step, dropped,    a number                the same
rejected
created, seen, ended       2026-05-01 or           the same, in UTC; a day or a minute is a stretch
                           2026-05-01T12:30        of time
age, silent                90s 10m 6h 7d 2w        the same; since it began, since it was heard of
state                      running finished        ``:`` ``=``
                           failed lost
alert                      firing pending resolved the same; one of the run's alerts is
archived                   true false              the same
========================== ======================= ===================================================

With ``:`` an unquoted text may be a pattern: ``*`` is anything, ``?`` one character, of the whole text; so
``config.ema:*`` finds runs that have it. ``last`` finds runs where some series of a name like the pattern has
a last value that passes; ``nan``, ``inf`` and ``-inf`` are values. ``!=`` is the
opposite of ``=`` for all of them.
"""

from __future__ import annotations

import math
import operator as operators
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from monitor.store import filter_grammar as grammar
from monitor.store.facets import CONFIG, SPOKEN, fold
from monitor.store.filter_grammar import FilterError, Test, Text, Tree, parse_filter
from monitor.store.globs import is_glob, matches
from monitor.store.plain import plain_text, text_of
from monitor.store.schema import Alert, Facet, Run, Series, Total

Condition = ColumnElement[bool]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operators.eq,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}
_CHOICES = {
    "state": ("running", "finished", "failed", "lost"),
    "alert": ("firing", "pending", "resolved"),
    "archived": ("true", "false"),
}
_NUMBERS = {
    "attempt": Run.attempt,
    "step": Run.last_step,
    "dropped": Run.dropped,
    "rejected": Run.rejected,
}
_TIMES = {"created": Run.created, "seen": Run.last_seen, "ended": Run.ended}
_SINCE = {"age": Run.created, "silent": Run.last_seen}
#: Texts in which ``:`` looks for a part; in others it is the whole.
_PROSE = ("name", "notes")
FIELDS = (*SPOKEN, *_CHOICES, *_NUMBERS, *_TIMES, *_SINCE, "config.KEY", 'last("SERIES")')

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)|nan", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?Z?", re.IGNORECASE)


def filter_runs(c: Connection, text: str, now: float | ColumnElement[float]) -> Condition:
    """The condition that a filter puts on ``Run``. Raises :class:`FilterError`."""
    moment = literal(now) if isinstance(now, int | float) else now
    return _Compiler(c, moment).compile(parse_filter(plain_text(text, grammar.LONGEST + 1)))


class _Compiler:
    def __init__(self, c: Connection, now: ColumnElement[float]) -> None:
        self._c = c
        self._now = now

    def compile(self, tree: Tree) -> Condition:
        match tree:
            case grammar.Word(value):
                return self._facet(Facet.key.in_(SPOKEN), self._contains(value))
            case grammar.Not(one):
                return not_(self.compile(one))
            case grammar.Both(parts):
                return and_(true(), *map(self.compile, parts))
            case grammar.Either(parts):
                return or_(false(), *map(self.compile, parts))
            case Test(operator="!="):
                same = Test(tree.field, tree.argument, "=", tree.value, tree.at)
                return not_(self._test(same))
            case Test():
                return self._test(tree)

    def _test(self, test: Test) -> Condition:
        field = test.field
        if field == "last" and test.argument is not None:
            return self._last(test, test.argument)
        if field in SPOKEN:
            return self._facet(Facet.key == field, self._text(test, is_prose=field in _PROSE))
        if field.startswith(CONFIG) and field != CONFIG:
            return self._facet(Facet.key == field, self._setting(test))
        return _choice(test) if field in _CHOICES else _column(test, self._now)

    def _facet(self, *conditions: Condition) -> Condition:
        return exists(select(1).where(Facet.run_id == Run.id, *conditions))

    def _contains(self, value: Text) -> Condition:
        return Facet.folded.contains(fold(value.text), autoescape=True)

    def _text(self, test: Test, *, is_prose: bool = False) -> Condition:
        _expect_equality(test)
        if test.operator == "=":
            return Facet.text == test.value.text
        if is_glob(test.value.text) and not test.value.quoted:
            return matches(self._c, Facet.folded, fold(test.value.text))
        return self._contains(test.value) if is_prose else Facet.folded == fold(test.value.text)

    def _setting(self, test: Test) -> Condition:
        if test.value.quoted or not _NUMBER.fullmatch(test.value.text):
            return self._text(test)
        is_number = _known(Facet.number, _compare(Facet.number, test, _number(test.value)))
        return or_(is_number, self._text(test)) if test.operator in ":=" else is_number

    def _last(self, test: Test, pattern: str) -> Condition:
        """Some series has a last value, that of its newest attempt, that passes."""
        later = aliased(Total)
        newest = (
            select(func.max(later.attempt))
            .where(later.run_id == Total.run_id, later.series_id == Total.series_id)
            .scalar_subquery()
        )
        name = matches(self._c, Series.name, pattern) if is_glob(pattern) else Series.name == pattern
        return exists(
            select(1)
            .select_from(Series)
            .join(Total, and_(Total.run_id == Series.run_id, Total.series_id == Series.id))
            .where(Series.run_id == Run.id, name, Total.attempt == newest, _last_passes(test))
        )


def _choice(test: Test) -> Condition:
    _expect_equality(test)
    value, known = test.value.text.lower(), _CHOICES[test.field]
    if value not in known:
        raise FilterError(f"{test.field} is one of {', '.join(known)}.", test.value.at)
    match test.field:
        case "state":
            return Run.state == value
        case "archived":
            return Run.archived.is_(value == "true")
        case _:
            return exists(select(1).where(Alert.run_id == Run.id, Alert.state == value))


def _column(test: Test, now: ColumnElement[float]) -> Condition:
    """A comparison with a column of the run itself."""
    if (number := _NUMBERS.get(test.field)) is not None:
        return _known(number, _compare(number, test, _number(test.value)))
    if (time := _TIMES.get(test.field)) is not None:
        return _known(time, _within(time, test))
    if (time := _SINCE.get(test.field)) is not None:
        return _compare(now - time, test, _span(test.value))
    raise FilterError(f"there is no field {test.field!r}; there are {', '.join(FIELDS)}.", test.at)


def _last_passes(test: Test) -> Condition:
    """The last value compared. It is stored as text, which decides where a database's parser may be off."""
    wanted = _number(test.value)
    same = Total.last == text_of(wanted)
    if math.isnan(wanted):
        return same if test.operator in ":=" else false()
    value = case(
        (Total.last == "NaN", None),
        (Total.last == "Infinity", literal(math.inf)),
        (Total.last == "-Infinity", literal(-math.inf)),
        else_=cast(Total.last, Float(53)),
    )
    passes = and_(Total.last != "NaN", _compare(value, test, wanted))
    return and_(not_(same), passes) if test.operator in "<>" else or_(same, passes)


def _compare(column: Any, test: Test, value: float) -> Condition:
    compared: Condition = _COMPARE[test.operator.replace(":", "=")](column, value)
    return compared


def _known(column: Any, condition: Condition) -> Condition:
    """False, and not unknown, where there is no value: so that the opposite is true."""
    return and_(column.is_not(None), condition)


def _within(column: Any, test: Test) -> Condition:
    begins, ends = _stretch(test.value)
    match test.operator:
        case "<":
            return column < begins  # type: ignore[no-any-return]
        case "<=":
            return column < ends  # type: ignore[no-any-return]
        case ">":
            return column >= ends  # type: ignore[no-any-return]
        case ">=":
            return column >= begins  # type: ignore[no-any-return]
        case _:
            return and_(column >= begins, column < ends)


def _expect_equality(test: Test) -> None:
    if test.operator not in {":", "="}:
        raise FilterError(f"{test.field} is compared by : = or !=, not by {test.operator}", test.at)


def _number(value: Text) -> float:
    if value.quoted or not _NUMBER.fullmatch(value.text):
        raise FilterError(f"a number is expected, not {value.text!r}.", value.at)
    return float(value.text)


def _span(value: Text) -> float:
    found = _SPAN.fullmatch(value.text.lower())
    if found is None:
        raise FilterError(f"a time such as 90s, 10m, 6h, 7d or 2w is expected, not {value.text!r}.", value.at)
    return float(found[1]) * _SECONDS[found[2]]


def _stretch(value: Text) -> tuple[float, float]:
    """The day, the minute or the second that a date names, in Unix seconds."""
    found = _MOMENT.fullmatch(value.text)
    try:
        if found is None:
            raise ValueError
        begins = datetime.fromisoformat(value.text.upper().removesuffix("Z")).replace(tzinfo=UTC)
        step = timedelta(days=1)
        if found[1]:
            step = timedelta(seconds=1) if found[2] else timedelta(minutes=1)
        return begins.timestamp(), (begins + step).timestamp()
    except (ValueError, OverflowError):
        raise FilterError(
            f"a date such as 2026-05-01 or 2026-05-01T12:30 is expected, not {value.text!r}.", value.at
        ) from None
