from __future__ import annotations

import itertools
import logging
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from monitor import protocol
from monitor.errors import Problem
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.picture import query_points
from monitor.store.runs import delete_run
from monitor.store.schema import Batch, Chunk, Summary
from tests.monitor.store.writing import Voice

_runs = itertools.count()


def draw(db: Database, *names: str, run: str = "r", buckets: int = 10**6, **asked: Any) -> dict[str, Any]:
    with db.read() as c:
        return query_points(c, run, names, buckets, **asked)


def steps_of(answer: dict[str, Any], name: str = "a") -> list[int]:
    steps: list[int] = answer["series"][name]["step"]
    return steps


def logged(db: Database, steps: range, *, name: str = "a", voice: Voice | None = None) -> Voice:
    voice = voice or Voice().begin()
    voice.log({name: [float(step) for step in steps]}, list(steps)).send(db)
    return voice


STRANGE = ["quality/mtcnn", "quality/x", "Quality/x", "100%_[a]", "a?b", "a*b", "🜁/loss", "back\\slash"]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("quality/*", ["quality/mtcnn", "quality/x"]),
        ("*/x", ["quality/x", "Quality/x"]),
        ("?uality/x", ["quality/x", "Quality/x"]),
        ("*", STRANGE),
        ("100%*", ["100%_[a]"]),
        ("100%_[[a]*", []),
        ("*[a]", ["100%_[a]"]),
        ("a?b", ["a?b", "a*b"]),
        ("?/loss", ["🜁/loss"]),
        ("back\\*", ["back\\slash"]),
        ("%", []),
        ("no\0ne*", []),
        ("*" * 200 + "z", []),
    ],
)
def test_series_are_found_by_pattern(database: Database, pattern: str, matched: list[str]) -> None:
    Voice().begin().log({name: [1.0] for name in STRANGE}, [1]).send(database)
    assert sorted(draw(database, patterns=[pattern])["series"]) == sorted(matched)


def test_names_and_patterns_add_up_and_too_many_are_refused(database: Database) -> None:
    Voice().begin().log({name: [1.0] for name in STRANGE}, [1]).send(database)
    answer = draw(database, "a*b", "nothing", patterns=["quality/*", "*/x"])
    assert set(answer["series"]) == {"a*b", "quality/mtcnn", "quality/x", "Quality/x"}
    assert answer["unknown"] == ["nothing"]
    with pytest.raises(Problem, match="More than 3 series") as refusal:
        draw(database, patterns=["*"], most=3)
    assert (refusal.value.status, refusal.value.field) == (422, "match")


def test_a_range_of_epochs_is_the_steps_between_its_marks(database: Database) -> None:
    voice = Voice().begin()
    for index, (step, epoch) in enumerate([(10, 1.0), (10, 1.0), (30, 2.0), (30, None), (40, 2.5)]):
        voice.say(protocol.Mark, index=index, step=step, epoch=epoch)
    logged(database, range(60), voice=voice)
    compact(database, "r")
    answer = draw(database, "a", axis="epoch", first=1.0, last=2.0)
    assert steps_of(answer) == list(range(10, 31))
    columns = answer["series"]["a"]
    assert (columns["epoch"][0], columns["epoch"][10], columns["epoch"][-1]) == (1.0, 1.5, 2.0)
    assert columns["first"] == columns["epoch"]
    # Before the first mark from the origin on, behind the last one as fast as before it.
    assert draw(database, "a", axis="epoch", last=0.5)["series"]["a"]["step"] == list(range(6))
    assert draw(database, "a", axis="epoch", first=3.0)["series"]["a"]["epoch"][:2] == [3.0, 3.05]


def test_epochs_are_refused_where_no_mark_names_one(database: Database) -> None:
    logged(database, range(5), voice=Voice().begin().say(protocol.Mark, index=0, step=3))
    with pytest.raises(Problem, match="ask by step") as refusal:
        draw(database, "a", axis="epoch")
    assert (refusal.value.status, refusal.value.field) == (422, "axis")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_aligned_series_share_their_buckets_and_lose_nothing(database: Database, data: st.DataObject) -> None:
    voice = Voice(run=f"run{next(_runs)}").begin()
    points: dict[str, list[tuple[int, float]]] = {}
    for name in ("a", "b", "c"):
        steps = data.draw(st.lists(st.integers(0, 500), min_size=1, max_size=150))
        values = data.draw(st.lists(st.floats(), min_size=len(steps), max_size=len(steps)))
        voice.log({name: values}, steps).send(database)
        points[name] = list(zip(steps, values, strict=True))
        if data.draw(st.booleans()):
            compact(database, voice.run)
    buckets = data.draw(st.integers(1, 60))
    answer = draw(database, "a", "b", "c", run=voice.run, buckets=buckets, aligned=True)
    lower, upper = answer["from"], answer["to"]
    assert len(lower) <= buckets
    assert lower == sorted(lower)
    width = (max(upper) - min(lower)) / buckets if lower else 0
    for name, logged_points in points.items():
        columns = answer["series"][name]
        assert {len(columns[key]) for key in ("min", "max", "mean", "last", "count")} == {len(lower)}
        assert sum(filter(None, columns["count"])) == len(logged_points)
        finite = [value for _, value in logged_points if math.isfinite(value)]
        drawn = [v for v in columns["min"] + columns["max"] if v is not None]
        assert (min(drawn, default=None), max(drawn, default=None)) == (
            min(finite, default=None),
            max(finite, default=None),
        )
        for i, count in enumerate(columns["count"]):
            if count and columns["max"][i] is not None:
                near = {v for step, v in logged_points if lower[i] - 2 * width <= step <= upper[i] + width}
                assert columns["max"][i] in near
    # A bucket that no series has is left out.
    assert all(any(answer["series"][name]["count"][i] for name in points) for i in range(len(lower)))


def test_aligned_distributions_have_quantiles_a_bucket(database: Database) -> None:
    voice = Voice().begin().log_distributions("d", [[float(i)] * 11 for i in range(4)], [0, 1, 2, 3])
    voice.log({"a": [1.0]}, [3]).send(database)
    answer = draw(database, "a", "d", buckets=2, aligned=True)
    assert answer["series"]["d"]["quantiles"]["p50"] == [1.0, 3.0]
    assert answer["series"]["a"]["last"] == [None, 1.0]
    assert draw(database, patterns=["nothing"], aligned=True)["from"] == []


def test_who_asks_with_a_cursor_is_told_only_what_is_new(database: Database) -> None:
    voice = logged(database, range(10))
    first = draw(database, "a")
    assert "reset" not in first
    nothing = draw(database, "a", since=first["cursor"])
    assert (nothing["reset"], steps_of(nothing)) == (False, [])
    logged(database, range(10, 15), voice=voice)
    voice.log({"a": [-1.0]}, [3]).send(database)
    news = draw(database, "a", since=first["cursor"])
    assert (news["reset"], steps_of(news)) == (False, [3, 10, 11, 12, 13, 14])
    assert steps_of(draw(database, "a", since=news["cursor"])) == []
    assert steps_of(draw(database, "a", since=first["cursor"], first=12)) == [12, 13, 14]


def test_everything_comes_anew_where_nobody_can_tell_what_is_new(database: Database) -> None:
    voice = logged(database, range(10))
    before = draw(database, "a")["cursor"]
    logged(database, range(10, 12), voice=voice)
    after = draw(database, "a")["cursor"]
    compact(database, "r")
    compacted = draw(database, "a", since=before)
    assert (compacted["reset"], steps_of(compacted)) == (True, list(range(12)))
    assert draw(database, "a", since=after)["reset"] is False
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=4).send(database)
    rewound = draw(database, "a", since=after)
    assert (rewound["reset"], steps_of(rewound)) == (True, list(range(5)))
    assert draw(database, "a", since=after, attempt=0)["reset"] is False
    delete_run(database, "r")
    voice = Voice().begin(time=5.0)
    for step in range(20):
        voice.log({"a": [0.0]}, [step])
        voice.send(database, now=2e9)
    assert draw(database, "a", since=rewound["cursor"])["reset"] is True
    for cursor in ("", "1~2", "a~b~c", "1~2~3~4", "\0"):
        with pytest.raises(Problem, match="cursor"):
            draw(database, "a", since=cursor)


def test_a_watcher_that_follows_the_cursor_sees_every_point_once(database: Database) -> None:
    """However batches, compactions and questions interleave."""
    chance = np.random.default_rng(3)
    voice = Voice().begin()
    voice.send(database)
    held: list[tuple[int, float]] = []
    cursor, written = None, 0
    for _ in range(60):
        for _ in range(chance.integers(0, 3)):
            rows = int(chance.integers(1, 30))
            steps = (written + chance.permutation(rows)).tolist()
            voice.log({"a": [float(step) for step in steps]}, steps).send(database)
            written += rows
        if chance.random() < 0.2:
            compact(database, "r")
        answer = draw(database, "a", since=cursor) if cursor and written else draw(database, "a")
        if "a" not in answer["series"]:
            continue
        columns = answer["series"]["a"]
        news = list(zip(columns["step"], columns["last"], strict=True))
        held = news if answer.get("reset", True) else held + news
        cursor = answer["cursor"]
    assert sorted(held) == [(step, float(step)) for step in range(written)]


def test_a_bucket_says_where_it_begins_and_ends(database: Database) -> None:
    logged(database, range(1000))
    compact(database, "r")
    columns = draw(database, "a", buckets=7)["series"]["a"]
    assert (columns["first"][0], columns["step"][-1]) == (0, 999)
    for i in range(1, len(columns["first"])):
        assert columns["first"][i] == columns["step"][i - 1] + 1
    exact = draw(database, "a", first=10, last=12)["series"]["a"]
    assert exact["first"] == exact["step"] == [10, 11, 12]


@pytest.mark.parametrize(
    ("table", "field"), [(Chunk, Chunk.payload), (Summary, Summary.entries), (Batch, Batch.payload)]
)
def test_a_damaged_series_is_named_and_the_others_are_drawn(
    database: Database, caplog: pytest.LogCaptureFixture, table: Any, field: Any
) -> None:
    voice = Voice().begin().log({"a": [1.0] * 100, "b": [2.0] * 100}, list(range(100)))
    voice.send(database)
    compact(database, "r")
    voice.log({"a": [1.0]}, [100]).send(database)
    with database.write() as c:
        where = [table.run_id == "r"] if table is Batch else [table.run_id == "r", table.series_id == 0]
        c.execute(update(table).where(*where).values({field: b"damaged"}))
    with caplog.at_level(logging.CRITICAL, "ganwatch"):
        answer = draw(database, "a", "b")
    assert answer["damaged"] == (["a", "b"] if table is Batch else ["a"])
    assert len(steps_of(answer, "b")) == 100
    assert len(steps_of(answer, "a")) == (100 if table is Batch else 0)
