from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from monitor import protocol
from monitor.alerts.judging import judge_run
from monitor.errors import Problem
from monitor.protocol import Batch, Points, Rejection
from monitor.store.commands import issue_command
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.ingest import apply_batch
from monitor.store.marks import list_marks
from monitor.store.picture import query_points
from monitor.store.plain import DEEPEST, INDEXED, TOO_DEEP
from monitor.store.runs import get_run, mark_lost
from monitor.store.schema import MarkValue
from monitor.store.series import list_series
from tests.monitor.store.writing import NOW, Voice, points_of


def run_of(db: Database, run: str = "r") -> dict[str, Any]:
    with db.read() as c:
        return get_run(c, run)


def series_of(db: Database, run: str = "r") -> dict[str, dict[str, Any]]:
    with db.read() as c:
        return {series["name"]: series for series in list_series(c, run)}


def refusal_of(db: Database, batch: Batch, run: str = "r") -> Problem:
    with pytest.raises(Problem) as refusal:
        apply_batch(db, run, batch, NOW)
    return refusal.value


def test_the_first_batch_makes_the_run(database: Database) -> None:
    voice = Voice().begin(project="digits", name="first", config={"lr": 0.1}, tags=["a"], commands=["stop"])
    applied = voice.log({"loss/g": [1.0, 2.0]}, [0, 1]).send(database)
    assert applied.receipt.high_water == 3
    assert applied.run_version == 1
    assert applied.changed == {"state", "points"}
    run = run_of(database)
    assert {key: run[key] for key in ("project", "name", "state", "config", "tags", "commands", "steps")} == {
        "project": "digits",
        "name": "first",
        "state": "running",
        "config": {"lr": 0.1},
        "tags": ["a"],
        "commands": ["stop"],
        "steps": 1,
    }
    assert points_of(database, "loss/g") == [(0, 1.0), (1, 2.0)]


def test_a_lost_reply_does_not_double_the_points(database: Database) -> None:
    batch = Voice().begin().log({"a": [1.0, 2.0, 3.0]}, [0, 1, 2]).batch()
    first = apply_batch(database, "r", batch, NOW)
    again = apply_batch(database, "r", batch, NOW)
    assert again.receipt.high_water == first.receipt.high_water == 4
    assert again.changed == frozenset()
    assert again.run_version == first.run_version
    assert len(points_of(database, "a")) == 3
    assert series_of(database)["a"]["count"] == 3


def test_of_an_overlapping_batch_only_the_new_records_are_stored(database: Database) -> None:
    whole = Voice().begin().log({"a": [1.0, 2.0, 3.0, 4.0]}, [0, 1, 2, 3])
    Voice().begin().log({"a": [1.0, 2.0]}, [0, 1]).send(database, checksums=whole.batch().checksums[:12])
    again = Voice().begin().log({"a": [1.0, 2.0, 3.0, 4.0]}, [0, 1, 2, 3])
    assert again.send(database).receipt.high_water == 5
    assert points_of(database, "a") == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]


def test_a_hole_is_refused_with_the_number_expected(database: Database) -> None:
    voice = Voice()
    voice.begin().log({"a": [1.0]}, [0]).send(database)
    voice.log({"a": [2.0]}, [1]).batch()
    late = voice.log({"a": [3.0]}, [2]).batch()
    problem = refusal_of(database, late)
    assert (problem.status, problem.type, problem.extra) == (409, "gap", {"expected": 3})
    assert len(points_of(database, "a")) == 1


def test_a_writer_never_heard_of_must_begin_at_the_beginning(database: Database) -> None:
    voice = Voice()
    voice.begin().batch()
    problem = refusal_of(database, voice.log({"a": [1.0]}, [0]).batch())
    assert (problem.status, problem.type) == (404, "unknown-writer")


@pytest.mark.parametrize("rows", [2, 3, 5], ids=["part of it", "the same number", "more"])
def test_other_content_under_known_numbers_is_found_out(database: Database, rows: int) -> None:
    Voice().begin().log({"a": [1.0, 2.0, 3.0]}, [0, 1, 2]).send(database)
    liar = Voice().begin().log({"a": [1.0, 9.0, 3.0, 4.0, 5.0][:rows]}, list(range(rows)))
    problem = refusal_of(database, liar.batch())
    assert (problem.status, problem.type) == (409, "diverged")
    assert points_of(database, "a") == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_other_content_before_the_batch_is_found_out(database: Database) -> None:
    voice = Voice()
    voice.begin().log({"a": [1.0]}, [0]).send(database)
    voice.chain ^= 1
    assert refusal_of(database, voice.log({"a": [2.0]}, [1]).batch()).type == "diverged"


def test_a_late_copy_of_an_old_batch_is_recognized(database: Database) -> None:
    voice = Voice().begin()
    batches = [voice.log({"a": [float(i)] * 10}, list(range(10))).batch() for i in range(5)]
    for batch in batches:
        apply_batch(database, "r", batch, NOW)
    assert apply_batch(database, "r", batches[2], NOW).receipt.high_water == batches[-1].last
    forged = msgspec.structs.replace(batches[2], checksums=bytes(len(batches[2].checksums)))
    assert refusal_of(database, forged).type == "diverged"


def test_a_batch_without_checksums_is_taken_and_checking_resumes_after_it(database: Database) -> None:
    voice = Voice()
    voice.begin().log({"a": [1.0]}, [0]).send(database, checksums=b"")
    voice.log({"a": [2.0]}, [1]).send(database)
    voice.chain ^= 1
    assert refusal_of(database, voice.log({"a": [3.0]}, [2]).batch()).type == "diverged"


def test_a_batch_that_contradicts_its_numbers_is_refused_whole(database: Database) -> None:
    good = Voice().begin().log({"a": [1.0, 2.0]}, [0, 1]).batch()
    points = good.records[1]
    assert isinstance(points, Points)
    for wrong in (
        {"last": 4},
        {"checksums": b"1234"},
        {"version": 2},
        {"records": good.records[:1]},
        {"records": [*good.records, *good.records]},
        {"records": [good.records[0], msgspec.structs.replace(points, values=[])]},
        {"records": [good.records[0], msgspec.structs.replace(points, values=[protocol.encode_floats([1])])]},
        {"records": [good.records[0], msgspec.structs.replace(points, step=[0])]},
        {"records": [good.records[0], msgspec.structs.replace(points, time=b"123")]},
        {"records": [good.records[0], msgspec.structs.replace(points, sequence=[2, 2**70])]},
    ):
        problem = refusal_of(database, msgspec.structs.replace(good, **wrong))
        assert problem.status == 400
        assert problem.field
    assert refusal_of(database, good, run="../x").field == "run"
    with pytest.raises(Problem, match="no run"):
        run_of(database)


def test_points_before_any_begin_are_refused(database: Database) -> None:
    problem = refusal_of(database, Voice().log({"a": [1.0]}, [0]).batch())
    assert (problem.status, problem.type) == (400, "malformed")


def test_a_wrong_value_costs_itself_alone(database: Database) -> None:
    columns: dict[str, list[Any]] = {
        "good": [1.0, 2.0, 3.0],
        "mixed": [1, "oops", True],
        "huge": [2**53, 2**53 + 1, 10**400],
        "none": [None, "NaN", "-Infinity"],
    }
    applied = Voice().begin().log(columns, [0, 1, 2], packed=False).send(database)
    exact = "an integer that float64 cannot hold exactly"
    assert applied.receipt.rejected == [
        Rejection(key="mixed", value="oops", reason="a string, not a number"),
        Rejection(key="huge", value=str(2**53 + 1), reason=exact),
        Rejection(key="huge", value=str(10**400)[:80], reason=exact),
        Rejection(key="none", value="None", reason="not a number"),
    ]
    assert points_of(database, "good") == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert points_of(database, "mixed") == [(0, 1.0), (2, 1.0)]
    assert points_of(database, "huge") == [(0, float(2**53))]
    assert points_of(database, "none") == [(1, "NaN"), (2, "-Infinity")]
    assert run_of(database)["rejected"] == 4


def test_every_float64_is_a_value(database: Database) -> None:
    values = [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0]
    Voice().begin().log({"a": values}, list(range(7))).send(database)
    assert points_of(database, "a") == list(
        enumerate(["NaN", "Infinity", "-Infinity", 1e308, -1e308, 5e-324, -0.0])
    )
    assert series_of(database)["a"]["non_finite"] == 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 513, "a name may have 512 bytes; this one has 513"),
        ("〱" * 171, "a name may have 512 bytes; this one has 513"),
        ("a\0b", "a name must not contain NUL"),
        ("\ud800", "a name must be Unicode text; this one has a lone surrogate"),
        ("", "a name must not be empty"),
    ],
)
def test_an_impossible_name_is_refused_alone_and_shown_safely(
    database: Database, name: str, reason: str
) -> None:
    rejected = (
        Voice().begin().log({name: [1.0, 2.0], "good": [3.0, 4.0]}, [0, 1]).send(database).receipt.rejected
    )
    assert [rejection.reason for rejection in rejected] == [reason]
    assert msgspec.json.encode(rejected)
    assert list(series_of(database)) == ["good"]


@pytest.mark.parametrize(
    "name", ["x" * 512, "a/../b", "%2e%2e%00", ";#?\\", "\u202eabc", "\x07", "'; --", "=cmd|"]
)
def test_a_strange_name_is_a_name(database: Database, name: str) -> None:
    assert Voice().begin().log({name: [1.0]}, [0]).send(database).receipt.rejected == []
    assert points_of(database, name) == [(0, 1.0)]


def test_a_row_without_a_place_in_time_is_refused_as_a_row(database: Database) -> None:
    voice = (
        Voice()
        .begin()
        .log({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}, [0, 1, 2], times=[NOW, math.nan, NOW + 1])
    )
    rejected = voice.send(database).receipt.rejected
    assert [(rejection.key, rejection.value) for rejection in rejected] == [("time", "nan")]
    assert [step for step, _ in points_of(database, "a")] == [0, 2]
    assert [step for step, _ in points_of(database, "b")] == [0, 2]


@pytest.mark.parametrize("never", [1e308, -1e308, NOW * 1000, math.inf])
def test_a_time_that_no_calendar_has_is_no_time(database: Database, never: float) -> None:
    voice = Voice().begin(time=never).say(protocol.Mark, time=never, index=0, step=0, epoch=never)
    rejected = voice.log({"a": [1.0, 2.0]}, [0, 1], times=[never, NOW]).send(database).receipt.rejected
    assert [rejection.key for rejection in rejected] == ["time"]
    assert points_of(database, "a", axis="time") == [(1, 2.0)]
    assert run_of(database)["created"] == NOW
    with database.read() as c:
        assert list_marks(c, "r")["time"] == [NOW]


def test_steps_may_go_back_and_be_as_far_apart_as_they_can(database: Database) -> None:
    steps = [5, -(2**63), 4, 2**63 - 1, -1]
    Voice().begin().log({"a": [float(i) for i in range(5)]}, steps, times=[NOW] * 5).send(database)
    drawn = [(-(2**63), 1.0), (-1, 4.0), (4, 2.0), (5, 0.0), (2**63 - 1, 3.0)]
    assert points_of(database, "a") == drawn
    compact(database, "r")
    assert points_of(database, "a") == drawn
    with database.read() as c:
        columns = query_points(c, "r", ["a"], 2, aligned=True)["series"]["a"]
    assert sum(columns["count"]) == 5


def test_more_losses_than_can_be_counted_are_refused(database: Database) -> None:
    assert refusal_of(database, Voice().begin().batch(dropped=2**63 - 1)).status == 400


def test_a_step_beyond_64_bits_is_refused_as_a_row(database: Database) -> None:
    batch = Voice().begin().log({"a": [1.0, 2.0]}, [0, 1]).batch()
    points = batch.records[1]
    assert isinstance(points, Points)
    points.step = [2**63, 1]
    assert [r.key for r in apply_batch(database, "r", batch, NOW).receipt.rejected] == ["step"]
    assert points_of(database, "a") == [(1, 2.0)]


def test_what_no_database_can_hold_is_stored_as_what_it_can(database: Database) -> None:
    config = {"nan": math.nan, "deep": [{"inf": math.inf, "nul\0": "a\0b"}], "big": 2**80, "bytes": b"x"}
    Voice().begin(name="n\0\ud800", host="h\0", config=config, process=2**70).say(
        protocol.Declare, name="a", unit="\0", lower=math.nan, upper=math.inf, role="r" * 99, m=2**64
    ).say(protocol.Image, name="i", step=0, digest="0" * 64, scores=[math.nan, 1.0]).say(
        protocol.End, state="failed", message="\0" * 5
    ).send(database)
    run = run_of(database)
    assert run["name"] == "n\ufffd\ufffd\ufffd\ufffd"
    assert run["config"] == {
        "nan": "NaN",
        "deep": [{"inf": "Infinity", "nul\ufffd": "a\ufffdb"}],
        "big": 2**80,
        "bytes": "b'x'",
    }
    assert (run["state"], run["message"]) == ("failed", "\ufffd" * 5)
    series = series_of(database)["a"]
    assert (series["lower"], series["upper"], series["m"], len(series["role"])) == (None, None, None, 64)


def test_a_project_longer_than_an_index_can_hold_is_cut_off(database: Database) -> None:
    project = "".join(map(chr, range(0x10000, 0x10400)))
    Voice().begin(project=project).send(database)
    assert run_of(database)["project"] == project[:INDEXED]


def test_a_configuration_nested_beyond_reason_is_cut_off(database: Database) -> None:
    config: dict[str, Any] = {}
    for _ in range(900):
        config = {"in": config}
    Voice().begin(config=config).send(database)
    kept = run_of(database)["config"]
    for _ in range(DEEPEST - 1):
        kept = kept["in"]
    assert kept == {"in": TOO_DEEP}


def test_a_series_is_what_it_declared_itself_to_be(database: Database) -> None:
    declared = {"unit": "nats", "direction": "higher", "lower": 0.0, "upper": 2.3, "help": "h", "role": "D"}
    declared |= {"judge": "digits-classifier", "m": 10, "n": 512}
    Voice().begin().say(protocol.Declare, name="d", **declared).log({"d": [1.0]}, [5]).send(database)
    series = series_of(database)["d"]
    assert {key: series[key] for key in declared} == declared
    assert (series["kind"], series["count"], series["last"], series["last_step"]) == ("scalar", 1, 1.0, 5)


def test_a_series_whose_role_nobody_says_has_that_of_its_name(database: Database) -> None:
    loop = {"loss/d": [1.0], "G_loss": [1.0], "quality/mine": [0.9], "D": [2.0], "samples/d": [1.0]}
    named = Voice().begin().say(protocol.Declare, name="loss/critic", unit="nats")
    named.say(protocol.Declare, name="loss/g", role="mine")
    named.say(protocol.Declare, name="quality/all", kind="distribution")
    named.log(loop, [0]).send(database)
    roles = {name: series["role"] for name, series in series_of(database).items()}
    assert roles == {
        "loss/critic": "loss_D",
        "loss/g": "mine",
        "quality/all": None,
        "loss/d": "loss_D",
        "G_loss": "loss_G",
        "quality/mine": "Q",
        # Many a loop calls the loss of D so; it is the diversity beside a Q.
        "D": None,
        "samples/d": None,
    }
    voice = Voice(run="measured").begin().log({"Q": [0.9]}, [0])
    voice.send(database)
    voice.log({"D": [2.0]}, [0]).say(protocol.Declare, name="D", unit="nats").send(database)
    measured = series_of(database, "measured")
    assert {name: series["role"] for name, series in measured.items()} == {"Q": "Q", "D": "D"}


def test_a_value_of_another_kind_than_declared_is_refused(database: Database) -> None:
    voice = (
        Voice()
        .begin()
        .say(protocol.Declare, name="d", kind="distribution")
        .log({"d": [1.0], "a": [1.0]}, [0])
    )
    rejected = voice.send(database).receipt.rejected
    assert [(r.key, r.reason) for r in rejected] == [("d", "a scalar, but the series is a distribution")]
    redeclared = voice.say(protocol.Declare, name="a", kind="distribution").send(database).receipt.rejected
    assert [(r.key, r.reason) for r in redeclared] == [("a", "it already holds values of a scalar")]
    # Nothing was stored of "d" yet, so it may still become something else.
    voice.say(protocol.Declare, name="d", kind="scalar").log({"d": [1.0]}, [1]).send(database)
    assert points_of(database, "d") == [(1, 1.0)]


def test_values_that_name_a_mark_are_kept_by_mark(database: Database) -> None:
    voice = Voice().begin().say(protocol.Mark, index=0, step=10, epoch=1.0, images_seen=640, expects=["Q"])
    voice.log({"q": [0.5, math.nan, 0.25]}, [10, 20, 30], marks=[0, 1, -1]).send(database)
    with database.read() as c:
        values = c.execute(select(MarkValue.index, MarkValue.value).order_by(MarkValue.index)).all()
        marks = list_marks(c, "r")
    assert values == [(0, "0.5"), (1, "NaN")]
    assert marks == {"index": [0], "step": [10], "epoch": [1.0], "images_seen": [640], "time": [NOW]}
    assert run_of(database)["epoch"] == 1.0


def test_a_mark_behind_which_none_can_be_counted_is_refused(database: Database) -> None:
    """A detector's cursor stands behind the last mark that it read."""
    voice = Voice().begin().say(protocol.Mark, index=2**63 - 1, step=1)
    assert [rejection.key for rejection in voice.send(database).receipt.rejected] == ["mark"]
    voice.say(protocol.Mark, index=2**62, step=1).say(protocol.Mark, index=2**62 - 1, step=1)
    assert voice.send(database).receipt.rejected == []
    judge_run(database, "r", NOW, ["webhook"])


def test_numbers_between_two_marks_are_no_news_to_a_judge(database: Database) -> None:
    voice = Voice().begin()
    assert voice.send(database).is_news
    assert not voice.log({"a": [1.0]}, [1]).send(database).is_news
    assert not voice.send(database).is_news
    assert voice.log({"a": [math.nan]}, [2]).send(database).is_news
    assert voice.say(protocol.Mark, index=0, step=2).send(database).is_news
    assert voice.log({"a": [1.0]}, [2], marks=[0]).send(database).is_news
    mark_lost(database, NOW + 100, 60)
    assert voice.send(database, now=NOW + 100).is_news


def test_a_second_process_cannot_take_a_run_by_accident(database: Database) -> None:
    Voice("one").begin().send(database)
    problem = refusal_of(database, Voice("two").begin().batch())
    assert (problem.status, problem.type) == (409, "run-taken")
    assert Voice("three").begin(resume=True).send(database).receipt.high_water == 1
    assert [writer["id"] for writer in run_of(database)["writers"]] == ["one", "three"]


def test_another_rank_writes_lines_of_its_own(database: Database) -> None:
    Voice("one").begin().say(protocol.Declare, name="a", role="Q").log({"a": [1.0]}, [0]).send(database)
    Voice("two").begin(rank=1).say(protocol.Declare, name="a", role="Q").log({"a": [2.0]}, [0]).send(database)
    assert points_of(database, "a") == [(0, 1.0)]
    assert points_of(database, "a@1") == [(0, 2.0)]
    assert {name: series["role"] for name, series in series_of(database).items()} == {"a": "Q", "a@1": None}


def test_many_writers_at_once_lose_nothing(database: Database) -> None:
    Voice("zero").begin().send(database)

    def write(rank: int) -> None:
        voice = Voice(f"w{rank}").begin(rank=rank)
        for i in range(10):
            voice.log({"a": [float(i)] * 3}, [3 * i, 3 * i + 1, 3 * i + 2]).send(database)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(1, 6)))
    assert run_of(database)["version"] == 51
    for rank in range(1, 6):
        assert len(points_of(database, f"a@{rank}")) == 30


def test_many_runs_may_begin_at_the_same_moment(database: Database) -> None:

    def begin(writer: str) -> str:
        try:
            Voice(writer).begin().log({"a": [1.0]}, [0]).send(database)
        except Problem as problem:
            return problem.type
        return "begun"

    with ThreadPoolExecutor() as pool:
        outcomes = sorted(pool.map(begin, ["w1", "w2", "w3", "w4"]))
    assert outcomes == ["begun", *["run-taken"] * 3]
    assert len(points_of(database, "a")) == 1


def test_the_first_batch_sent_again_while_it_is_being_stored_is_taken_once(database: Database) -> None:
    batch = Voice().begin().log({"a": [1.0]}, [0]).batch()
    with ThreadPoolExecutor() as pool:
        marks = list(pool.map(lambda _: apply_batch(database, "r", batch, NOW).receipt.high_water, range(8)))
    assert marks == [2] * 8
    assert points_of(database, "a") == [(0, 1.0)]


def test_a_run_ends_as_its_main_process_says(database: Database) -> None:
    main, helper = Voice("main").begin(), Voice("helper").begin(rank=1)
    main.send(database)
    helper.say(protocol.End, state="failed", message="helper").send(database)
    assert run_of(database)["state"] == "running"
    main.say(protocol.End, state="finished", message="done").send(database)
    run = run_of(database)
    assert (run["state"], run["message"], run["ended"]) == ("finished", "done", NOW)
    assert {writer["id"]: writer["state"] for writer in run["writers"]} == {
        "main": "finished",
        "helper": "failed",
    }


def test_a_silent_run_is_lost_and_a_heartbeat_brings_it_back(database: Database) -> None:
    voice = Voice().begin()
    voice.send(database, now=NOW)
    assert mark_lost(database, NOW + 60, 60.0) == []
    assert mark_lost(database, NOW + 61, 60.0) == ["r"]
    assert mark_lost(database, NOW + 62, 60.0) == []
    assert run_of(database)["state"] == "lost"
    back = voice.send(database, now=NOW + 100)
    assert back.changed == {"state"}
    assert run_of(database)["state"] == "running"
    quiet = voice.send(database, now=NOW + 150)
    assert (quiet.changed, quiet.run_version) == (frozenset(), back.run_version)
    assert mark_lost(database, NOW + 200, 60.0) == []


def test_a_heartbeat_of_nobody_makes_nothing(database: Database) -> None:
    assert Voice().send(database).receipt.high_water == 0
    with pytest.raises(Problem, match="no run"):
        run_of(database)


def test_what_a_dead_writer_left_is_delivered_without_waking_the_run(database: Database) -> None:
    left = Voice("dead").begin().log({"a": [1.0]}, [0])
    left.send(database, replayed=True, now=NOW + 1000)
    run = run_of(database)
    assert (run["state"], run["created"], run["last_seen"]) == ("lost", NOW, NOW)
    left.say(protocol.End, state="finished").send(database, replayed=True)
    assert run_of(database)["state"] == "finished"


@pytest.mark.parametrize("end_of_the_dead", [None, "failed"])
def test_a_dead_writer_delivered_late_takes_nothing_from_the_living(
    database: Database, end_of_the_dead: str | None
) -> None:
    """It ran offline and died; the process that resumed the run delivers for it, and then ends."""
    living = Voice("living").begin(resume=True, time=NOW + 10, commands=["stop"])
    living.send(database, now=NOW + 10)
    dead = Voice("dead").begin(time=NOW).log({"a": [1.0]}, [0])
    if end_of_the_dead:
        dead.say(protocol.End, state=end_of_the_dead)
    dead.send(database, replayed=True, now=NOW + 11)
    assert run_of(database)["state"] == "running"
    issue_command(database, "r", "stop", {}, now=NOW + 12)
    assert len(living.send(database, now=NOW + 12).receipt.commands) == 1
    living.say(protocol.End, state="finished").send(database, now=NOW + 13)
    assert run_of(database)["state"] == "finished"


def test_dead_writers_delivered_in_any_order_end_the_run_as_the_last_one_did(database: Database) -> None:
    second = Voice("second").begin(resume=True, time=NOW + 10).say(protocol.End, state="finished")
    second.send(database, replayed=True, now=NOW + 20)
    first = Voice("first").begin(time=NOW).say(protocol.End, state="failed")
    first.send(database, replayed=True, now=NOW + 21)
    assert run_of(database)["state"] == "finished"


def test_a_finished_run_goes_on_when_a_process_resumes_it(database: Database) -> None:
    first = Voice("first").begin(commands=["stop"])
    first.say(protocol.End, state="failed", message="boom").send(database)
    Voice("second").begin(resume=True, commands=["rollback"]).send(database)
    run = run_of(database)
    assert (run["state"], run["message"], run["ended"], run["commands"]) == (
        "running",
        "",
        None,
        ["rollback"],
    )


def test_the_end_of_a_process_that_was_replaced_does_not_end_the_run(database: Database) -> None:
    zombie = Voice("zombie").begin()
    zombie.send(database)
    Voice("heir").begin(resume=True).send(database)
    zombie.say(protocol.End, state="failed").send(database)
    assert run_of(database)["state"] == "running"


def test_what_is_lost_for_good_is_stored_and_shown(database: Database) -> None:
    voice = Voice().begin().log({"a": [1.0]}, [0])
    voice.say(protocol.Gap, last=99, reason="disk full").log({"a": [2.0]}, [50])
    assert voice.send(database, dropped=97).receipt.high_water == 100
    run = run_of(database)
    assert run["gaps"] == [{"writer": "w", "first": 3, "last": 99, "reason": "disk full", "time": NOW}]
    assert run["dropped"] == 97
    voice.log({"a": [3.0]}, [51]).send(database, dropped=97)
    assert run_of(database)["dropped"] == 97
    assert points_of(database, "a") == [(0, 1.0), (50, 2.0), (51, 3.0)]


def test_a_run_whose_beginning_is_lost_is_still_a_run(database: Database) -> None:
    voice = Voice().say(protocol.Gap, last=3, reason="damaged")
    voice.log({"a": [1.0]}, [0]).send(database)
    run = run_of(database)
    assert (run["project"], run["name"], run["state"]) == ("default", "r", "running")
    assert points_of(database, "a") == [(0, 1.0)]


def test_points_of_an_attempt_nobody_described_are_kept(database: Database) -> None:
    voice = Voice().begin().log({"a": [1.0]}, [0])
    voice.send(database)
    voice.attempt = 1
    voice.log({"a": [2.0]}, [1]).send(database)
    assert points_of(database, "a") == [(0, 1.0), (1, 2.0)]
    voice.say(protocol.Attempt, number=1, parent=0, from_step=0, reason="late").send(database)
    assert run_of(database)["attempts"][1] == {
        "number": 1,
        "parent": 0,
        "from_step": 0,
        "reason": "late",
        "began": NOW,
        "remedy": None,
        "alert": None,
        "brought": None,
    }


def test_what_is_damaged_after_its_delivery_comes_again_as_a_gap_and_stops_nothing(
    database: Database,
) -> None:
    """The reply was lost with the process, and a page of the spool with the disk."""
    Voice().begin().log({"a": [1.0, 2.0, 3.0]}, [0, 1, 2]).send(database)
    again = Voice().begin().log({"a": [1.0]}, [0]).say(protocol.Gap, last=3, reason="damaged")
    again.log({"a": [3.0, 4.0]}, [2, 3]).send(database)
    assert points_of(database, "a") == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]
    again.log({"a": [5.0]}, [4]).send(database)
    assert run_of(database)["gaps"] == []


def test_a_run_that_is_delivered_late_was_last_seen_when_it_last_spoke(database: Database) -> None:
    dead = Voice("dead").begin(time=NOW).log({"a": [1.0, 2.0]}, [0, 1], times=[NOW + 5, NOW + 7])
    dead.send(database, replayed=True, now=NOW + 1000)
    run = run_of(database)
    assert (run["last_seen"], run["writers"][0]["last_seen"]) == (NOW + 7, NOW + 7)
    dead.say(protocol.End, state="finished", time=NOW + 9).send(database, replayed=True, now=NOW + 1001)
    run = run_of(database)
    assert (run["state"], run["last_seen"], run["ended"]) == ("finished", NOW + 9, NOW + 9)
    # A clock that is ahead of ours has seen nothing yet.
    Voice("ahead").begin(resume=True, time=NOW + 9).log({"a": [3.0]}, [2], times=[NOW + 10**6]).send(
        database, replayed=True, now=NOW + 1002
    )
    assert run_of(database)["last_seen"] == NOW + 1002


def test_a_configuration_may_grow(database: Database) -> None:
    voice = Voice().begin(config={"lr": 0.1, "name": "x"}).say(protocol.Configure, config={"lr": 0.2})
    voice.say(protocol.Configure, config={"seed": math.nan}).send(database)
    assert run_of(database)["config"] == {"lr": 0.2, "name": "x", "seed": "NaN"}
    Voice("helper").begin(rank=1).say(protocol.Configure, config={"lr": 9}).send(database)
    assert run_of(database)["config"]["lr"] == 0.2
