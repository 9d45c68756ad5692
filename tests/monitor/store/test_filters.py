from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor import protocol
from monitor.store.database import Database, insert_into
from monitor.store.filter_grammar import FilterError, parse_filter
from monitor.store.filters import FIELDS, filter_runs
from monitor.store.runs import delete_run, list_runs, update_run
from monitor.store.schema import Alert, Base
from tests.monitor.store.writing import Voice

#: 2026-05-01T12:30:15Z
NOON = datetime(2026, 5, 1, 12, 30, 15, tzinfo=UTC).timestamp()
DAY = 86400.0
NOW = NOON + DAY
CONFIG = {
    "loss": "Hinge",
    "lr": 2e-4,
    "betas": [0.5, 0.999],
    "critic": {"kind": "gn", "a b": None},
    "amp": True,
    "seed": "7",
    "big": 2**62,
    "worst": float("nan"),
}
SQLMAP = (
    "' OR 1=1 --",
    "1; DROP TABLE run; --",
    "') UNION SELECT token FROM secret --",
    "1' AND SLEEP(5)#",
    "%' AND 1=1 AND '%'='",
    "\\'; EXEC xp_cmdshell('x'); --",
    "0x31 OR 1=1",
    "$$; SELECT pg_sleep(9); $$",
    "/**/OR/**/1=1",
    "`run`.`id`",
    ":name %(name)s {name} ?",
)


@pytest.fixture
def filled(database: Database) -> Database:
    """healthy and doomed, the newer; some of what they have differs."""
    voice = Voice(run="healthy").begin(
        project="Digits", name="Été 100%", tags=["gn", "Long Run"], config=CONFIG, time=NOON
    )
    for name, role in (("quality/mtcnn", "Q"), ("loss/g", "loss_G")):
        voice.say(protocol.Declare, name=name, role=role)
    voice.log({"quality/mtcnn": [0.5, 0.9], "loss/g": [float("inf"), float("nan")]}, [1, 40])
    voice.send(database, now=NOON)
    voice = Voice(run="doomed").begin(
        project="faces", name="doomed_1", tags=["raw"], config={"loss": "ns", "lr": 1e-3}, time=NOW - 60
    )
    voice.log({"quality/mtcnn": [0.3], "loss/g": [float("inf")]}, [7])
    voice.say(protocol.End, state="failed", time=NOW - 30).send(database, now=NOW - 30)
    alert: dict[str, Any] = {"run_id": "doomed", "id": "1", "attempt": 0, "rule": "t", "episode": 1}
    alert |= {"severity": "warning", "title": "t", "sentence": "s", "signals": [], "acknowledged_by": ""}
    with database.write() as c:
        c.execute(insert_into(c, Alert).values(**alert, state="firing", began=NOW, updated=NOW))
    return database


def found(db: Database, text: str) -> list[str]:
    with db.read() as c:
        return [run["id"] for run in list_runs(c, condition=filter_runs(c, text, NOW))["runs"]]


HEALTHY, DOOMED, BOTH, NONE = ["healthy"], ["doomed"], ["doomed", "healthy"], []


def test_every_field_is_compared_as_its_type(filled: Database) -> None:
    for text, expected in (
        ("", BOTH),
        ("state:running", HEALTHY),
        ("state:FAILED", DOOMED),
        ("state!=failed", HEALTHY),
        ("project:digits", HEALTHY),
        ("project=digits", NONE),
        ("project=Digits", HEALTHY),
        ("project:digit", NONE),
        ("project:dig*", HEALTHY),
        ("name:été", HEALTHY),
        ("name:ÉTÉ", HEALTHY),
        ("name:100%", HEALTHY),
        ("name:0_", NONE),
        ("name:*_1", DOOMED),
        ('name:"*_1"', NONE),
        ("tag:GN", HEALTHY),
        ('tag:"long run"', HEALTHY),
        ("tag:long", NONE),
        ("tag!=gn", DOOMED),
        ("id:d?omed", DOOMED),
        ("notes:x", NONE),
        ("config.loss=Hinge", HEALTHY),
        ("config.loss:hinge", HEALTHY),
        ("config.loss!=Hinge", DOOMED),
        ("config.lr<1e-3", HEALTHY),
        ("config.lr<=0.001", BOTH),
        ("config.lr=2e-4", HEALTHY),
        ("config.betas.1>=0.999", HEALTHY),
        ("config.critic.kind:g*", HEALTHY),
        ('config.critic."a b"=null', HEALTHY),
        ("config.amp=true", HEALTHY),
        ("config.amp=1", NONE),
        ("config.seed=7", HEALTHY),
        ("config.seed>6", NONE),
        ("config.big>4e18", HEALTHY),
        ("config.worst:nan", HEALTHY),
        ("config.loss:*", BOTH),
        ("-config.amp:*", DOOMED),
        ("Config.loss:ns", DOOMED),
        ("config.Loss:ns", NONE),
        ('last("quality/*")>0.8', HEALTHY),
        ('last("quality/*")<0.8', DOOMED),
        ('last("quality/mtcnn")>=0.9', HEALTHY),
        ('last("quality/mtcnn")>0.9', NONE),
        ('last("quality/mtcnn")!=0.9', DOOMED),
        ('last("loss/g")=nan', HEALTHY),
        ('last("*")=inf', DOOMED),
        ('last("loss/g")>1e300', DOOMED),
        ('last("nothing")>0', NONE),
        ("step>=40", HEALTHY),
        ("step<40", DOOMED),
        ("attempt=0 dropped=0 rejected:0", BOTH),
        ("created:2026-05-01", HEALTHY),
        ("created>2026-05-01", DOOMED),
        ("created>=2026-05-01", BOTH),
        ("created:2026-05-01T12:30", HEALTHY),
        ("created<2026-05-01T12:30:15Z", NONE),
        ("created<=2026-05-01T12:30:15Z", HEALTHY),
        ("ended>2026-01-01", DOOMED),
        ("-ended>2026-01-01", HEALTHY),
        ("ended!=2026-01-01", BOTH),
        ("age<10m", DOOMED),
        ("silent>1h", HEALTHY),
        ("seen>=2026-05-02", DOOMED),
        ("alert:firing", DOOMED),
        ("-alert:firing", HEALTHY),
        ("archived:false", BOTH),
        ("archived=true", NONE),
    ):
        assert found(filled, text) == expected, text


def test_terms_combine_as_they_read(filled: Database) -> None:
    for text, expected in (
        ("state:failed or tag:gn", BOTH),
        ("state:failed tag:gn", NONE),
        ("state:failed and tag:gn", NONE),
        ("state:failed tag:gn or project:faces", DOOMED),
        ("state:failed (tag:gn or project:faces)", DOOMED),
        ("not (state:failed or tag:gn)", NONE),
        ("NOT state:failed", HEALTHY),
        ("--state:failed", DOOMED),
        ('-"long run"', DOOMED),
        ("gn hinge", NONE),
        ("GN été", HEALTHY),
        ('"100%"', HEALTHY),
        ("run", HEALTHY),
        ("name:doomed_1 -alert:pending", DOOMED),
    ):
        assert found(filled, text) == expected, text


def test_a_mistake_is_pointed_at(filled: Database) -> None:
    for text, column, says in (
        ("tag:gn stat:running", 8, "no field 'stat'"),
        ("state:runing", 7, "running, finished, failed, lost"),
        ("state>running", 1, "not by >"),
        ("step>many", 6, "a number"),
        ("age<tomorrow", 5, "90s, 10m"),
        ("created>2026-13-01", 9, "a date"),
        ("created>yesterday", 9, "a date"),
        ("created>9999-12-31", 9, "a date"),
        ('config.lr<"x"', 1, "by : = or !="),
        ("config.=1", 1, "no field"),
        ("last>1", 1, "no field 'last'"),
        ("last(loss)>1", 6, "in quotes"),
        ('last("loss"', 5, "not closed"),
        ("config.loss==hinge", 13, "behind =, not another sign"),
        ("tag:=gn", 5, "behind :, not another sign"),
        ('best("fid")<3', 1, "there is no best"),
        ("state:running and min(loss)>1", 19, "there is no min"),
        ('last("loss") > 1', 13, "compare it"),
        ('name:"open', 6, "not closed"),
        ("(tag:a or", 10, "expected"),
        ("(tag:a", 1, "not closed"),
        ("tag:a)", 6, "closes nothing"),
        ("tag:", 5, "a value"),
        ("tag: gn", 5, "a value"),
        ("or", 1, "expected"),
        ("a or or b", 6, "expected"),
        ("=3", 1, "expected"),
        ("-" * 30 + "x", 22, "negations"),
        ("a " * 60, 101, "50 terms"),
        ("x" * 3000, 2001, "2000 characters"),
    ):
        with pytest.raises(FilterError, match=says) as refusal:
            found(filled, text)
        problem = refusal.value
        assert (problem.status, problem.type, problem.field) == (422, "bad-filter", "q")
        assert problem.document()["column"] == column, text


def test_what_is_renamed_tagged_or_begun_again_is_found_as_it_is_now(filled: Database) -> None:
    update_run(filled, "healthy", name="Winter", tags=["new"], notes="It learned to SMILE")
    assert found(filled, "name:winter") == found(filled, "tag:new") == found(filled, "smile") == HEALTHY
    assert found(filled, "tag:gn") == found(filled, "été") == NONE
    Voice("second", run="healthy").begin(resume=True, config={"loss": "ls"}).send(filled)
    assert found(filled, "config.loss=ls") == HEALTHY
    assert found(filled, "config.lr=2e-4") == NONE
    Voice("third", run="doomed").begin(resume=True).say(protocol.Configure, config={"depth": 5}).send(filled)
    assert found(filled, "config.depth=5") == DOOMED
    delete_run(filled, "healthy")
    assert found(filled, "name:winter") == NONE


PIECES = st.sampled_from(
    [
        *FIELDS,
        *SQLMAP,
        "config.loss",
        ":",
        "=",
        "!=",
        "<",
        ">=",
        "(",
        ")",
        '"',
        "-",
        " ",
        "or",
        "not",
        "*",
        "\0",
    ]
)


def rows_of(db: Database) -> dict[str, list[Any]]:
    with db.read() as c:
        return {table.name: c.execute(table.select()).all() for table in Base.metadata.sorted_tables}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=12).map("".join)))
def test_any_text_is_a_filter_or_is_refused(filled: Database, text: str) -> None:
    try:
        answer = found(filled, text)
    except FilterError as error:
        answer = []
        column = error.column
    else:
        column = 1
    assert set(answer) <= set(BOTH)
    assert 1 <= column <= len(text) + 1


def test_nothing_of_a_value_becomes_sql(filled: Database) -> None:
    before = {name: len(rows) for name, rows in rows_of(filled).items()}
    for attack in SQLMAP:
        quoted = '"' + attack.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for test in ("name:", "project=", "tag:", "notes:", "id=", "config.loss=", f"config.{quoted}=", ""):
            assert found(filled, test + quoted) == NONE, test
        assert found(filled, f"last({quoted})>0") == NONE
        update_run(filled, "doomed", name=attack, tags=[attack])
        for test in ("name=", "name:", "tag=", "tag:", ""):
            assert found(filled, test + quoted) == DOOMED, test
        update_run(filled, "doomed", name="doomed", tags=["raw"])
    assert {name: len(rows) for name, rows in rows_of(filled).items()} == before


def test_an_empty_filter_is_everything() -> None:
    assert parse_filter("  ") == parse_filter("")
