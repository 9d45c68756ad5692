"""The schema can be sharded by run: every key begins with it, and every statement says it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Index, MetaData, UniqueConstraint, event, text
from sqlalchemy.schema import CreateTable

from monitor.store.compactor import compact
from monitor.store.database import VERSION_TABLE, Database
from monitor.store.picture import query_points
from monitor.store.revisions import newest_revision
from monitor.store.schema import Base
from tests.monitor.store.test_copying import all_answers, fill
from tests.monitor.store.writing import Voice

#: Jobs are few and wait for a run, rules are for all runs: one node holds them.
TOGETHER = {"job", "rule"}
SHARDED = [table for table in Base.metadata.sorted_tables if table.name not in TOGETHER]


def key_of(table: str) -> str:
    return "id" if table == "run" else "run_id"


@pytest.mark.parametrize("table", SHARDED, ids=lambda table: table.name)
def test_every_key_begins_with_the_run(table: Any) -> None:
    key = key_of(table.name)
    assert next(iter(table.primary_key.columns)).name == key
    unique = [index for index in table.indexes if isinstance(index, Index) and index.unique]
    unique += [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    assert all(next(iter(each.columns)).name == key for each in unique)
    for foreign in table.foreign_key_constraints:
        assert foreign.column_keys[0] == "run_id"
        assert next(iter(foreign.elements)).target_fullname in {
            "run.id",
            f"{foreign.referred_table.name}.run_id",
        }


def test_what_a_run_costs_all_day_says_which_run_it_is_of(database: Database) -> None:
    voice = Voice().begin().log({"a": [1.0], "b": [2.0]}, [1])
    voice.send(database)
    said: list[str] = []

    def listen(_c: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(database.engine, "before_cursor_execute", listen)
    for step in range(2, 6):
        voice.log({"a": [1.0], "c": [2.0]}, [step]).send(database)
    compact(database, "r")
    with database.read() as c:
        query_points(c, "r", ["a"], 100)
    assert len(said) > 20
    for statement in said:
        touched = re.findall(r"\b(?:FROM|INTO|UPDATE|JOIN) (\w+)", statement)
        for table in set(touched) & {table.name for table in SHARDED}:
            assert re.search(rf"\b(?:{table}\.)?{key_of(table)}\b", statement), statement


@pytest.mark.postgres
def test_a_partitioned_store_answers_as_any_other(postgres_url: str, tmp_path: Any) -> None:
    db = Database(postgres_url)
    with db.write() as c:
        for statement in partitioned():
            c.execute(text(statement))
        c.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) PRIMARY KEY)"))
        c.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('{newest_revision()}')"))
    fill(db)
    plain = Database(f"sqlite:///{tmp_path}/plain.db")
    fill(plain)
    assert all_answers(db) == all_answers(plain)
    with db.read() as c:
        used = c.execute(text("SELECT count(DISTINCT tableoid) FROM series")).scalar_one()
    assert used == 2
    db.close()
    plain.close()


def partitioned() -> list[str]:
    """Declarative partitioning by hash, of the same tables."""
    copied = MetaData(naming_convention=Base.metadata.naming_convention)
    statements: list[str] = []
    for table in Base.metadata.sorted_tables:
        made = table.to_metadata(copied)
        create = str(CreateTable(made).compile(dialect=Database("postgresql://x/y").engine.dialect)).rstrip()
        if table.name in TOGETHER:
            statements.append(create)
            continue
        statements.append(f"{create} PARTITION BY HASH ({key_of(table.name)})")
        statements += [
            f"CREATE TABLE {table.name}_{part} PARTITION OF {table.name} "
            f"FOR VALUES WITH (MODULUS 16, REMAINDER {part})"
            for part in range(16)
        ]
    return statements
