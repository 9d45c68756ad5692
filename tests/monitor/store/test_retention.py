from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from monitor import protocol
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.images import get_image, put_image
from monitor.store.retention import Policy, apply_retention, delete_expired, find_expired, run_sizes
from monitor.store.runs import get_run, update_run
from monitor.store.schema import Base
from tests.monitor.store.writing import NOW, Voice

DAY = 86400.0


def train(
    db: Database, run: str, at: float, *, ends: bool = True, tags: Sequence[str] = (), delivered: float = 0.0
) -> None:
    voice = Voice(run=run).begin(time=at, tags=list(tags))
    voice.log({"a": [float(i) for i in range(300)]}, list(range(300)))
    voice.say(protocol.Image, name="s", step=0, digest="1" * 64).say(protocol.Mark, index=0, step=0)
    voice.send(db, now=delivered or at)
    compact(db, run)
    put_image(db, run, "1" * 64, media_type="image/png", width=1, height=1, data=b"x" * 1000)
    if ends:
        voice.say(protocol.End, state="finished", time=at).send(db, now=delivered or at)


@pytest.fixture
def filled(database: Database) -> Database:
    for number in range(6):
        train(database, f"run{number}", NOW - (6 - number) * DAY)
    train(database, "kept", NOW - 90 * DAY, tags=("keep",))
    train(database, "living", NOW - 80 * DAY, ends=False)
    return database


def rows_by_run(db: Database) -> dict[tuple[str, str], int]:
    counted: dict[tuple[str, str], int] = {}
    with db.read() as c:
        for table in Base.metadata.sorted_tables:
            key = table.c.id if table.name == "run" else table.c.get("run_id")
            if key is not None:
                for run, count in c.execute(select(key, func.count()).group_by(key)):
                    counted[run, table.name] = count
    return counted


def gone(db: Database, policy: Policy) -> list[str]:
    before = rows_by_run(db)
    expired = apply_retention(db, policy, NOW)
    lost = {run.run for run in expired}
    assert rows_by_run(db) == {key: rows for key, rows in before.items() if key[0] not in lost}
    return [run.run for run in expired]


def test_nothing_goes_unless_it_was_asked_for(filled: Database) -> None:
    assert gone(filled, Policy()) == []


def test_runs_that_are_too_old_go_whole_and_no_other_does(filled: Database) -> None:
    assert gone(filled, Policy(seconds=3.5 * DAY)) == ["run0", "run1", "run2"]
    with filled.read() as c:
        assert get_image(c, "run0", "1" * 64) is None
        assert get_image(c, "run3", "1" * 64) is not None
    assert gone(filled, Policy(seconds=3.5 * DAY)) == []


def test_what_is_delivered_late_is_as_young_as_its_delivery(database: Database) -> None:
    train(database, "imported", NOW - 400 * DAY, delivered=NOW - DAY)
    assert gone(database, Policy(seconds=3.5 * DAY)) == []
    assert gone(database, Policy(seconds=0.5 * DAY)) == ["imported"]


def test_the_oldest_go_until_the_rest_has_room(filled: Database) -> None:
    with filled.read() as c:
        sizes = run_sizes(c)
        expired = find_expired(c, Policy(size=sizes.total() - sizes["run0"] - 1), NOW)
    assert [(run.run, run.size, run.reason) for run in expired] == [
        ("run0", sizes["run0"], "size"),
        ("run1", sizes["run1"], "size"),
    ]
    assert sizes["run0"] > 1000 + 8 * 300 / 4
    assert gone(filled, Policy(size=sizes.total())) == []
    assert gone(filled, Policy(size=sizes.total() - 1)) == ["run0"]
    assert gone(filled, Policy(size=0)) == ["run1", "run2", "run3", "run4", "run5"]


def test_age_and_size_are_both_kept(filled: Database) -> None:
    with filled.read() as c:
        sizes = run_sizes(c)
        policy = Policy(5.5 * DAY, sizes.total() - sizes["run0"] - 1)
        expired = find_expired(c, policy, NOW)
    assert [(run.run, run.reason) for run in expired] == [("run0", "age"), ("run1", "size")]


def test_the_tag_keep_can_be_given_and_taken_later(filled: Database) -> None:
    update_run(filled, "run0", tags=["other", "keep"])
    update_run(filled, "kept", tags=[])
    assert gone(filled, Policy(seconds=5.5 * DAY)) == ["kept"]


def test_a_run_that_is_heard_of_or_tagged_meanwhile_stays(filled: Database) -> None:
    with filled.read() as c:
        expired = find_expired(c, Policy(seconds=3.5 * DAY), NOW)
    assert [run.run for run in expired] == ["run0", "run1", "run2"]
    Voice("again", run="run0").begin(resume=True).send(filled, now=NOW)
    update_run(filled, "run1", tags=["keep"])
    assert [run.run for run in delete_expired(filled, expired)] == ["run2"]
    with filled.read() as c:
        assert get_run(c, "run0")["state"] == "running"
        assert get_run(c, "run1")["tags"] == ["keep"]
