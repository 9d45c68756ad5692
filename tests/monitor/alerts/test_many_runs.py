"""What judging many runs asks of the database, and that what is remembered for it is never stale."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from monitor.alerts.judging import judge_run
from monitor.alerts.rulebook import RuleBook
from monitor.store.database import Database
from monitor.store.rules import write_rule
from tests.monitor.alerts.test_rules import HIGH, begun, log, states
from tests.monitor.store.writing import NOW

HOUR = 3600.0


def statements_of_a_judgement(db: Database, run: str, now: float) -> int:
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        judge_run(db, run, now)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return len(asked)


def test_one_book_knows_of_a_rule_as_soon_as_it_is_made_changed_and_deleted(db: Database) -> None:
    book, voice = RuleBook(), begun(db)
    log(db, voice, [9], 1)
    judge_run(db, "r", NOW, (), book)
    assert states(db) == []
    write_rule(db, "high", HIGH, None, NOW)
    judge_run(db, "r", NOW, (), book)
    assert states(db) == ["firing"]
    write_rule(db, "high", {**HIGH, "above": 100}, None, NOW)
    judge_run(db, "r", NOW, (), book)
    assert states(db) == ["resolved"]
    write_rule(db, "high", None, None, NOW)
    with db.read() as c:
        assert "high" not in book.entries(c)


def test_rules_are_read_again_only_where_one_was_made(db: Database) -> None:
    book = RuleBook()
    with db.read() as c:
        assert book.entries(c) is book.entries(c)
        before = book.entries(c)
    write_rule(db, "high", {**HIGH, "filter": "project:p"}, None, NOW)
    with db.read() as c:
        assert book.entries(c) is not before


def test_a_filter_of_time_is_asked_at_the_time_of_each_judgement(db: Database) -> None:
    book, voice = RuleBook({"late": {**HIGH, "filter": "age>6h"}}), begun(db)
    log(db, voice, [9], 1)
    judge_run(db, "r", NOW + HOUR, (), book)
    assert states(db) == []
    judge_run(db, "r", NOW + 7 * HOUR, (), book)
    assert states(db) == ["firing"]


def test_what_a_judgement_asks_grows_neither_with_series_nor_with_batches(db: Database) -> None:
    few, many = begun(db, "few"), begun(db, "many")
    for voice in (few, many):
        voice.log({"first": [1.0]}, [1]).send(db, now=NOW)
        judge_run(db, voice.run, NOW)
    few.log({"loss": [1.0]}, [2]).send(db, now=NOW)
    for step in range(2, 8):
        many.log({f"layer/{number}": [1.0] for number in range(40)}, [step]).send(db, now=NOW)
    asked = statements_of_a_judgement(db, "few", NOW + 1)
    assert asked == statements_of_a_judgement(db, "many", NOW + 1) < 25
