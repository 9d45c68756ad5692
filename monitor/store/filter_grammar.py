"""The language in which runs are searched, read into a tree.

    filter  := either
    either  := both ("or" both)*
    both    := one (["and"] one)*
    one     := ("not" | "-") one | "(" either ")" | test | word
    test    := field operator value          no space around the operator
    field   := name | "config." key ("." key)* | "last(" pattern ")"
    value   := word | text in double quotes, in which \\" and \\\\ stand for " and \\

A word alone is looked for in name, project, id, tags and notes, without regard to case. ``filters.py`` says
which fields there are and what the operators mean. Examples:

    state:running tag:gn config.loss=hinge last("quality/*")>0.8
    (project:digits or project:cifar*) -alert:firing age<7d "learning rate"
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitor.errors import Problem

LONGEST = 2000
DEEPEST = 20
MOST_TERMS = 50

_WORD = re.compile(r'(?:[^\s()"=<>:!]|!(?!=))+')
_VALUE = re.compile(r'[^\s()"]+')
_OPERATOR = re.compile(r"!=|<=|>=|[=<>:]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_SPACE = re.compile(r"\s*")
_KEYWORDS = frozenset(("and", "or", "not"))


class FilterError(Problem):
    """What is wrong with a filter, and at which column, counted from 1."""

    def __init__(self, detail: str, at: int) -> None:
        column = at + 1
        super().__init__(422, "bad-filter", f"Column {column}: {detail}", field="q", column=column)
        self.column = column


@dataclass(frozen=True)
class Text:
    """A value, where it stands, and whether it was quoted: then it has no pattern and is no number."""

    text: str
    at: int
    quoted: bool


@dataclass(frozen=True)
class Word:
    value: Text


@dataclass(frozen=True)
class Test:
    """``field`` is in lower case but for a configuration's keys; ``argument`` is that of ``last``."""

    field: str
    argument: str | None
    operator: str
    value: Text
    at: int


@dataclass(frozen=True)
class Not:
    one: Tree


@dataclass(frozen=True)
class Both:
    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Either:
    parts: tuple[Tree, ...]


Tree = Word | Test | Not | Both | Either


def parse_filter(text: str) -> Tree:
    """The tree; an empty filter is ``Both(())``. Raises :class:`FilterError`."""
    if len(text) > LONGEST:
        raise FilterError(f"a filter may have {LONGEST} characters; this one has {len(text)}.", LONGEST)
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._terms = 0
        self._skip()

    def parse(self) -> Tree:
        if self._is_at_end():
            return Both(())
        tree = self._either(0)
        if not self._is_at_end():
            raise FilterError("this ) closes nothing.", self._at)
        return tree

    def _either(self, depth: int) -> Tree:
        parts = [self._both(depth)]
        while self._takes("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int) -> Tree:
        parts = [self._one(depth)]
        while self._takes("and") or not (self._is_at_end() or self._sees(")") or self._keyword() == "or"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise FilterError(f"more than {DEEPEST} parentheses and negations in each other.", self._at)
        if self._takes("not") or self._takes_sign("-"):
            return Not(self._one(depth + 1))
        opening = self._at
        if not self._takes_sign("("):
            return self._term()
        tree = self._either(depth + 1)
        if not self._takes_sign(")"):
            raise FilterError("this ( is not closed.", opening)
        return tree

    def _term(self) -> Tree:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise FilterError(f"a filter may have {MOST_TERMS} terms.", self._at)
        at = self._at
        if self._sees('"'):
            return Word(self._quoted())
        found = _WORD.match(self._text, at)
        if found is None or self._keyword():
            met = f"instead of {self._text[at]!r}" if found is None and not self._is_at_end() else "here"
            raise FilterError(f"a word or a test such as state:running is expected {met}.", at)
        self._at = found.end()
        field, argument = found[0], None
        if field.lower() == "last" and self._sees("("):
            argument = self._argument()
        elif field.lower().startswith("config.") and self._sees('"'):
            field += self._quoted_keys()
        elif self._sees("("):
            raise FilterError(f'there is no {field}(...); there is last("quality/*")>0.8.', at)
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            if argument is not None:
                raise FilterError('compare it: last("quality/*")>0.8', self._at)
            self._skip()
            return Word(Text(field, at, quoted=False))
        self._at = operator.end()
        return Test(_normal(field), argument, operator[0], self._value(operator[0]), at)

    def _value(self, operator: str) -> Text:
        if self._sees('"'):
            return self._quoted()
        found = _VALUE.match(self._text, self._at)
        if found is None:
            raise FilterError(f"a value is expected right behind {operator}", self._at)
        if _OPERATOR.match(found[0]):
            raise FilterError(
                f"a value is expected behind {operator}, not another sign; put it in quotes if it is meant.",
                self._at,
            )
        value = Text(found[0], self._at, quoted=False)
        self._at = found.end()
        self._skip()
        return value

    def _quoted(self, *, skip: bool = True) -> Text:
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            raise FilterError('this " is not closed (inside, write \\" and \\\\).', self._at)
        value = Text(re.sub(r"\\(.)", r"\1", found[1]), self._at, quoted=True)
        self._at = found.end()
        if skip:
            self._skip()
        return value

    def _quoted_keys(self) -> str:
        keys = ""
        while self._sees('"'):
            keys += self._quoted(skip=False).text
            if found := _WORD.match(self._text, self._at):
                keys += found[0]
                self._at = found.end()
        return keys

    def _argument(self) -> str:
        opening = self._at
        self._at += 1
        self._skip()
        if not self._sees('"'):
            raise FilterError('name the series in quotes: last("quality/*")', self._at)
        name = self._quoted().text
        if not self._sees(")"):
            raise FilterError("this ( is not closed.", opening)
        self._at += 1
        return name

    def _is_at_end(self) -> bool:
        return self._at == len(self._text)

    def _sees(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _keyword(self) -> str | None:
        """The keyword that stands here, if one does."""
        found = _WORD.match(self._text, self._at)
        word = found[0].lower() if found else ""
        is_field = found is not None and _OPERATOR.match(self._text, found.end()) is not None
        return word if word in _KEYWORDS and not is_field else None

    def _takes(self, keyword: str) -> bool:
        if self._keyword() != keyword:
            return False
        self._at += len(keyword)
        self._skip()
        return True

    def _takes_sign(self, sign: str) -> bool:
        if not self._sees(sign):
            return False
        self._at += len(sign)
        self._skip()
        return True

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()


def _normal(field: str) -> str:
    return f"config.{field[7:]}" if field.lower().startswith("config.") else field.lower()
