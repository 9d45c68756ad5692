"""Processes that go back, take over from each other, and call different attempts by the same number."""

from __future__ import annotations

from typing import Any

import pytest

from monitor import protocol
from monitor.errors import Problem
from monitor.store.commands import issue_command
from monitor.store.database import Database
from monitor.store.lineage import Segment, find_lineage
from monitor.store.runs import get_run
from monitor.store.schema import MarkValue
from monitor.store.series import query_points
from tests.monitor.store.writing import NOW, Voice, points_of


def lineage(db: Database, attempt: int | None = None) -> list[Segment]:
    with db.read() as c:
        return find_lineage(c, "r", attempt)


def run_of(db: Database) -> dict[str, Any]:
    with db.read() as c:
        return get_run(c, "r")


def points_in(db: Database, attempt: int, name: str = "a") -> list[tuple[int, float]]:
    with db.read() as c:
        columns = query_points(c, "r", [name], 10_000, attempt=attempt)["series"][name]
    return list(zip(columns["step"], columns["last"], strict=True))


def rewind(voice: Voice, step: int, number: int) -> Voice:
    """As a client does: the record is the first of the attempt that it begins."""
    parent, voice.attempt = voice.attempt, number
    return voice.say(protocol.Attempt, number=number, parent=parent, from_step=step)


def line(value: float, first: int, last: int) -> list[tuple[int, float]]:
    return [(step, value) for step in range(first, last)]


def log(voice: Voice, value: float, first: int, last: int) -> Voice:
    return voice.log({"a": [value] * (last - first)}, list(range(first, last)))


def test_a_second_rewind_shows_what_is_left_of_each_attempt_and_keeps_the_others(database: Database) -> None:
    voice = Voice().begin()
    log(voice, 0.0, 0, 100).send(database)
    log(rewind(voice, 49, 1), 1.0, 50, 90).send(database)
    log(rewind(voice, 59, 2), 2.0, 60, 80).send(database)
    assert points_of(database, "a") == line(0.0, 0, 50) + line(1.0, 50, 60) + line(2.0, 60, 80)
    assert points_in(database, 0) == line(0.0, 0, 100)
    assert points_in(database, 1) == line(0.0, 0, 50) + line(1.0, 50, 90)
    # Back to before the first rewind: of attempts 1 and 2 nothing is left.
    log(rewind(voice, 19, 3), 3.0, 20, 30).send(database)
    assert points_of(database, "a") == line(0.0, 0, 20) + line(3.0, 20, 30)
    assert run_of(database)["steps"] == 29


def test_late_records_of_an_abandoned_attempt_stay_with_it(database: Database) -> None:
    voice = Voice().begin()
    log(voice, 0.0, 0, 10).say(protocol.Mark, index=0, step=9).send(database)
    log(rewind(voice, 4, 1), 1.0, 5, 8).say(protocol.Mark, index=0, step=7).send(database)
    voice.attempt = 0
    voice.log({"q": [0.5]}, [9], marks=[0]).send(database)
    voice.attempt = 1
    voice.log({"q": [0.75]}, [7], marks=[0]).send(database)
    assert points_of(database, "q") == [(7, 0.75)]
    assert points_in(database, 0, "q") == [(9, 0.5)]
    assert run_of(database)["attempt"] == 1
    with database.read() as c:
        rows = c.execute(
            MarkValue.__table__.select().order_by(MarkValue.attempt)  # type: ignore[attr-defined]
        ).all()
    assert [(row.attempt, row.index, row.value) for row in rows] == [(0, 0, "0.5"), (1, 0, "0.75")]


def test_a_zombie_that_goes_back_begins_an_attempt_of_its_own_that_is_not_shown(database: Database) -> None:
    zombie = Voice("zombie").begin()
    log(zombie, 0.0, 0, 100).send(database)
    heir = Voice("heir").begin(resume=True)
    heir.send(database)
    log(rewind(heir, 49, 1), 1.0, 50, 60).send(database)
    log(zombie, 0.0, 100, 110).send(database)
    log(rewind(zombie, 79, 1), 9.0, 80, 90).send(database)
    shown = line(0.0, 0, 50) + line(1.0, 50, 60)
    assert points_of(database, "a") == shown
    assert run_of(database)["attempt"] == 1
    assert points_in(database, 2) == line(0.0, 0, 80) + line(9.0, 80, 90)
    # What the heir calls 2 is the next that is free.
    log(rewind(heir, 54, 2), 3.0, 55, 57).send(database)
    assert points_of(database, "a") == line(0.0, 0, 50) + line(1.0, 50, 55) + line(3.0, 55, 57)
    assert lineage(database) == [Segment(0, 49), Segment(1, 54), Segment(3, None)]


def test_a_process_that_knows_nothing_of_earlier_attempts_goes_on_where_they_ended(
    database: Database,
) -> None:
    """Started on another machine, from a checkpoint of attempt 1."""
    first = Voice("first").begin()
    log(first, 0.0, 0, 100).send(database)
    log(rewind(first, 49, 1), 1.0, 50, 90).send(database)
    heir = Voice("heir").begin(resume=True)
    heir.send(database)
    log(rewind(heir, 79, 1), 2.0, 80, 85).send(database)
    assert points_of(database, "a") == line(0.0, 0, 50) + line(1.0, 50, 80) + line(2.0, 80, 85)
    assert lineage(database) == [Segment(0, 49), Segment(1, 79), Segment(2, None)]


def test_a_process_that_resumes_on_the_same_disk_means_what_its_predecessor_meant(database: Database) -> None:
    test_a_zombie_that_goes_back_begins_an_attempt_of_its_own_that_is_not_shown(database)
    heir = Voice("second heir").begin(resume=True)
    heir.attempt = 2
    log(heir, 3.0, 57, 58).send(database)
    assert points_of(database, "a")[-1] == (57, 3.0)
    assert points_in(database, 3)[-1] == (57, 3.0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_ranks_of_one_training_share_its_attempts(database: Database, order: tuple[int, int]) -> None:
    voices = [Voice("w0").begin(), Voice("w1").begin(rank=1)]
    for voice in voices:
        log(voice, 0.0, 0, 10).send(database)
    for rank in order:
        log(rewind(voices[rank], 4, 1), 1.0, 5, 8).send(database)
    assert len(run_of(database)["attempts"]) == 2
    for name in ("a", "a@1"):
        assert points_of(database, name) == line(0.0, 0, 5) + line(1.0, 5, 8)
    # All of them are started anew, knowing nothing, from the same checkpoint as before.
    again = [Voice("x0").begin(resume=True), Voice("x1").begin(rank=1, resume=True)]
    for rank in order:
        again[rank].send(database)
        log(rewind(again[rank], 4, 1), 2.0, 5, 7).send(database)
    assert [entry["number"] for entry in run_of(database)["attempts"]] == [0, 1, 2]
    for name in ("a", "a@1"):
        assert points_of(database, name) == line(0.0, 0, 5) + line(2.0, 5, 7)
        assert points_in(database, 1, name) == line(0.0, 0, 5) + line(1.0, 5, 8)


def test_a_command_names_the_attempt_as_its_run_calls_it(database: Database) -> None:
    test_a_zombie_that_goes_back_begins_an_attempt_of_its_own_that_is_not_shown(database)
    heir = Voice("heir of all").begin(resume=True, commands=["stop"])
    heir.attempt = 2
    heir.send(database)
    assert run_of(database)["attempt"] == 3
    issue_command(database, "r", "stop", {}, now=NOW)
    (command,) = heir.send(database, now=NOW).receipt.commands
    assert command.attempt == 2
    # It was meant for this attempt and no other.
    assert rewind(heir, 20, 3).send(database, now=NOW).receipt.commands == []


def test_an_attempt_that_does_not_go_back_is_refused_by_name(database: Database) -> None:
    voice = Voice().begin()
    rejected = voice.say(protocol.Attempt, number=1, parent=1, from_step=0).send(database).receipt.rejected
    assert [rejection.key for rejection in rejected] == ["attempt"]


def test_an_attempt_that_leaves_no_number_to_the_next_is_refused_by_name(database: Database) -> None:
    voice = Voice("one").begin()
    highest = voice.say(protocol.Attempt, number=2**63 - 1, parent=0, from_step=0)
    assert [rejection.key for rejection in highest.send(database).receipt.rejected] == ["attempt"]
    assert rewind(voice, 0, 2**31).send(database).receipt.rejected == []
    other = Voice("two").begin(resume=True)
    other.send(database)
    assert rewind(other, 0, 2**31).send(database).receipt.rejected == []
    assert [attempt["number"] for attempt in run_of(database)["attempts"]] == [0, 2**31, 2**31 + 1]


def test_of_two_processes_that_both_began_the_run_the_second_is_refused_also_when_delivered_late(
    database: Database,
) -> None:
    Voice("one").begin().log({"a": [1.0]}, [0]).send(database, replayed=True)
    with pytest.raises(Problem) as refusal:
        Voice("two").begin().log({"a": [2.0]}, [0]).send(database, replayed=True)
    assert refusal.value.type == "run-taken"
    Voice("three").begin(resume=True).log({"a": [3.0]}, [1]).send(database, replayed=True)
    assert points_of(database, "a") == [(0, 1.0), (1, 3.0)]
