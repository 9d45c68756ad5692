from __future__ import annotations

import math
from typing import Any

import pytest
from sqlalchemy import event, func, select

from monitor import protocol
from monitor.errors import Problem
from monitor.store.compactor import compact
from monitor.store.database import Database, insert_into
from monitor.store.filters import filter_runs
from monitor.store.images import drop_unclaimed, get_image, list_images, put_image
from monitor.store.marks import list_marks
from monitor.store.runs import delete_run, get_run, list_runs, update_run
from monitor.store.schema import Alert, Base
from tests.monitor.store.writing import NOW, Voice


def begin(db: Database, run: str, at: float = NOW, **fields: Any) -> Voice:
    voice = Voice(run=run).begin(time=at, **fields)
    voice.send(db, now=at)
    return voice


def listed(db: Database, q: str | None = None, **filters: Any) -> list[str]:
    with db.read() as c:
        condition = None if q is None else filter_runs(c, q, NOW)
        return [run["id"] for run in list_runs(c, condition=condition, **filters)["runs"]]


def test_runs_are_listed_the_newest_first_page_by_page(database: Database) -> None:
    for i in range(7):
        begin(database, f"run{i}", NOW + i // 2)
    pages, cursor = [], None
    while True:
        with database.read() as c:
            answer = list_runs(c, limit=3, cursor=cursor)
        pages.append([run["id"] for run in answer["runs"]])
        cursor = answer["next"]
        if cursor is None:
            break
    assert pages == [["run6", "run5", "run4"], ["run3", "run2", "run1"], ["run0"]]


def test_a_new_run_does_not_shift_the_pages(database: Database) -> None:
    for i in range(4):
        begin(database, f"run{i}", NOW + i)
    with database.read() as c:
        cursor = list_runs(c, limit=2)["next"]
    begin(database, "run9", NOW + 9)
    assert listed(database, limit=2, cursor=cursor) == ["run1", "run0"]


def test_a_cursor_that_nobody_gave_out_is_refused(database: Database) -> None:
    with pytest.raises(Problem) as refusal, database.read() as c:
        list_runs(c, cursor="'; DROP TABLE run; --")
    assert (refusal.value.status, refusal.value.field) == (400, "cursor")


def test_runs_are_found_by_project_state_and_word(database: Database) -> None:
    begin(database, "one", NOW, project="digits", name="Healthy 100%")
    begin(database, "two", NOW + 1, project="faces", name="doomed").say(protocol.End, state="failed").send(
        database
    )
    assert listed(database, project="digits") == ["one"]
    assert listed(database, state="failed") == ["two"]
    assert listed(database, q="HEALTHY") == ["one"]
    assert listed(database, q="ace") == ["two"]
    assert listed(database, q="100%") == ["one"]
    assert listed(database, q="%") == ["one"]
    assert listed(database, q="_") == []
    for word in ("'", "\\", "a\0b", "\ud800"):
        assert listed(database, q=word) == listed(database, project=word) == []


def test_a_summary_shows_the_headline_numbers(database: Database) -> None:
    voice = begin(database, "r")
    for name, role in (("i", "S_G"), ("e", "S_G_ep"), ("d", "S_D"), ("q", "Q"), ("n", "D")):
        voice.say(protocol.Declare, name=name, role=role)
    voice.say(protocol.Mark, index=0, step=8, epoch=1.0).say(protocol.Mark, index=1, step=20, epoch=2.5)
    voice.log({"i": [1.0], "d": [2.0], "q": [math.nan]}, [20]).send(database)
    with database.read() as c:
        (run,) = list_runs(c)["runs"]
    assert run["last"] == {"S_G": 1.0, "S_D": 2.0, "Q": "NaN", "D": None}
    assert (run["steps"], run["epoch"]) == (20, 2.5)
    voice.log({"e": [7.0], "i": [3.0]}, [21]).send(database)
    with database.read() as c:
        assert get_run(c, "r")["last"]["S_G"] == 7.0


def test_a_summary_of_a_run_that_went_back_shows_what_still_counts(database: Database) -> None:
    voice = (
        begin(database, "r")
        .say(protocol.Declare, name="q", role="Q")
        .say(protocol.Declare, name="d", role="D")
    )
    voice.log({"q": [0.5, 0.9, 0.1]}, [10, 20, 30]).log({"d": [2.0]}, [10]).send(database)
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=25).send(database)

    def shown() -> dict[str, Any]:
        with database.read() as c:
            return {key: list_runs(c)["runs"][0]["last"][key] for key in ("Q", "D")}

    assert shown() == {"Q": 0.9, "D": 2.0}
    voice.log({"q": [0.7]}, [26]).send(database)
    assert shown() == {"Q": 0.7, "D": 2.0}
    voice.attempt = 2
    voice.say(protocol.Attempt, number=2, parent=0, from_step=5).send(database)
    assert shown() == {"Q": None, "D": None}


def test_a_list_of_runs_takes_the_same_queries_however_many_series_there_are(database: Database) -> None:
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    def queries() -> list[str]:
        asked.clear()
        with database.read() as c:
            list_runs(c)
        return list(asked)

    voice = begin(database, "one")
    few = queries()
    voice.log({f"series/{i}": [1.0] for i in range(500)}, [7]).send(database)
    begin(database, "two")
    assert len(queries()) == len(few)
    assert all("max(total" not in statement.lower() for statement in few)


def test_a_summary_counts_the_alerts_by_state(database: Database) -> None:
    begin(database, "r")
    with database.write() as c:
        for i, state in enumerate(["firing", "firing", "resolved"]):
            alert = {"run_id": "r", "id": str(i), "attempt": 0, "rule": "turn", "episode": i, "state": state}
            shown = {
                "severity": "warning",
                "title": "t",
                "sentence": "s",
                "signals": [],
                "acknowledged_by": "",
            }
            c.execute(insert_into(c, Alert).values(**alert, **shown, began=NOW, updated=NOW))
    with database.read() as c:
        assert get_run(c, "r")["alerts"] == {"firing": 2, "pending": 0, "resolved": 1}


def test_people_may_rename_note_tag_and_archive(database: Database) -> None:
    begin(database, "r", tags=["old"])
    changed = update_run(database, "r", notes="a\0b", tags=["new"], archived=True)
    assert (changed["name"], changed["notes"], changed["tags"], changed["archived"]) == (
        "n",
        "a\ufffdb",
        ["new"],
        True,
    )
    assert changed["version"] == 2
    assert update_run(database, "r", name="better")["tags"] == ["new"]
    with pytest.raises(Problem, match="no run"):
        update_run(database, "nobody", name="x")


def rows_of(db: Database, run: str) -> dict[str, int]:
    """How many rows each table has of the run."""
    with db.read() as c:
        counts = {}
        for table in Base.metadata.sorted_tables:
            key = table.c.id if table.name == "run" else table.c.get("run_id")
            if key is None:
                continue
            counts[table.name] = c.execute(
                select(func.count()).select_from(table).where(key == run)
            ).scalar_one()
        return counts


def test_a_deleted_run_is_gone_entirely_and_nothing_else_is(database: Database) -> None:
    for run in ("doomed", "kept"):
        voice = begin(database, run, at=NOW)
        voice.log({"a": [1.0]}, [0], marks=[0]).say(protocol.Mark, index=0, step=0)
        voice.say(protocol.Image, name="s", step=0, digest="1" * 64).say(protocol.Gap, last=10, reason="x")
        voice.send(database)
        compact(database, run)
        voice.log({"a": [2.0]}, [1]).send(database)
        put_image(database, run, "1" * 64, media_type="image/png", width=1, height=1, data=b"png")
    before = rows_of(database, "kept")
    assert all(before[table] for table in ("batch", "chunk", "summary", "total", "blob", "mark_value", "gap"))
    delete_run(database, "doomed")
    assert set(rows_of(database, "doomed").values()) == {0}
    assert rows_of(database, "kept") == before
    with pytest.raises(Problem, match="no run"):
        delete_run(database, "doomed")


def test_a_run_deleted_under_its_writer_begins_anew(database: Database) -> None:
    voice = Voice().begin().log({"a": [1.0]}, [0])
    whole = voice.batch()
    voice = Voice().begin().log({"a": [1.0]}, [0])
    voice.send(database)
    delete_run(database, "r")
    with pytest.raises(Problem) as refusal:
        voice.log({"a": [2.0]}, [1]).send(database)
    assert refusal.value.type == "unknown-writer"
    again = Voice().begin().log({"a": [1.0]}, [0])
    assert again.send(database).receipt.high_water == whole.last


def test_images_are_stored_once_and_listed_in_order(database: Database) -> None:
    voice = begin(database, "r")
    layout = {"rows": 2, "columns": 3, "scores": [0.5, math.nan], "caption": "c", "mark": 1}
    voice.say(protocol.Image, name="s", step=20, digest="2" * 64)
    voice.say(protocol.Image, name="s", step=10, digest="1" * 64, **layout)
    voice.say(protocol.Image, name="other", step=5, digest="1" * 64)
    assert voice.send(database).changed == {"images"}
    stored = {"media_type": "image/png", "width": 4, "height": 3, "data": b"png"}
    assert put_image(database, "r", "1" * 64, **stored) is True
    assert put_image(database, "r", "1" * 64, **stored) is False
    with database.read() as c:
        assert get_image(c, "r", "1" * 64) == ("image/png", b"png")
        assert get_image(c, "r", "2" * 64) is None
        assert get_image(c, "other", "1" * 64) is None
        first, second = list_images(c, "r", "s")
        assert [image["name"] for image in list_images(c, "r")] == ["other", "s", "s"]
        assert list_images(c, "r", "no\0name") == []
    assert first == {
        "name": "s",
        "step": 10,
        "digest": "1" * 64,
        "width": 4,
        "height": 3,
        "time": NOW,
        "attempt": 0,
        **layout,
        "scores": [0.5, "NaN"],
    }
    assert (second["step"], second["width"], second["height"]) == (20, None, None)


def test_an_image_may_arrive_before_its_run(database: Database) -> None:
    assert put_image(database, "r", "1" * 64, media_type="image/png", width=1, height=1, data=b"x")
    begin(database, "r").say(protocol.Image, name="s", step=0, digest="1" * 64).send(database)
    with database.read() as c:
        assert list_images(c, "r")[0]["width"] == 1


def test_images_that_nothing_names_are_dropped_the_second_time_they_are_found(database: Database) -> None:
    named, unnamed = "1" * 64, "2" * 64
    voice = begin(database, "here").say(protocol.Image, name="s", step=0, digest=named)
    voice.send(database)
    for run, digest in (("here", named), ("here", unnamed), ("late", named), ("never", named)):
        put_image(database, run, digest, media_type="image/png", width=1, height=1, data=b"x")
    suspected = drop_unclaimed(database, frozenset())
    assert suspected == {("here", unnamed), ("late", named), ("never", named)}
    begin(database, "late").say(protocol.Image, name="s", step=0, digest=named).send(database)
    assert drop_unclaimed(database, suspected) == frozenset()
    with database.read() as c:
        stored = [(run, digest) for run in ("here", "late", "never") for digest in (named, unnamed)]
        kept = [(run, digest) for run, digest in stored if get_image(c, run, digest)]
    assert kept == [("here", named), ("late", named)]


def test_marks_and_images_follow_the_lineage(database: Database) -> None:
    voice = begin(database, "r")
    for index in range(4):
        voice.say(protocol.Mark, index=index, step=10 * index)
        voice.say(protocol.Image, name="s", step=10 * index, digest="1" * 64)
    voice.send(database)
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=15)
    voice.say(protocol.Mark, index=2, step=20, epoch=9.0).say(
        protocol.Image, name="s", step=20, digest="2" * 64
    )
    voice.send(database)
    with database.read() as c:
        assert list_marks(c, "r")["step"] == [0, 10, 20]
        assert list_marks(c, "r")["epoch"] == [None, None, 9.0]
        assert list_marks(c, "r", attempt=0)["step"] == [0, 10, 20, 30]
        assert [(image["step"], image["attempt"]) for image in list_images(c, "r")] == [
            (0, 0),
            (10, 0),
            (20, 1),
        ]
        run = get_run(c, "r")
    assert (run["attempt"], run["epoch"], run["steps"]) == (1, 9.0, 15)
