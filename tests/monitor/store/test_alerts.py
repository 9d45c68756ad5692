from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from monitor import protocol
from monitor.errors import Problem
from monitor.store.alert_documents import IMAGES_BEFORE, IMAGES_FROM, get_alert, list_alerts
from monitor.store.alert_notes import acknowledge
from monitor.store.database import Database, insert_into
from monitor.store.schema import Alert, Transition
from tests.monitor.store.writing import NOW, Voice


def raise_alert(db: Database, run: str, number: int, *, onset: int | None = None, **fields: Any) -> str:
    key = f"{number:032x}"
    alert = {"run_id": run, "id": key, "attempt": 0, "rule": "turn", "episode": number, "state": "firing"}
    alert |= {"severity": "warning", "title": "t", "sentence": "s", "signals": [], "acknowledged_by": ""}
    alert |= {"onset_step": onset, "began": NOW + number // 2, "updated": NOW}
    with db.write() as c:
        c.execute(insert_into(c, Alert).values(alert | fields))
        for i in range(2):
            c.execute(
                insert_into(c, Transition).values(
                    run_id=run, alert_id=key, number=i, time=NOW + i, state="firing", reason=f"{key}-{i}"
                )
            )
    return key


def pages(db: Database, limit: int, **asked: Any) -> list[list[str]]:
    found, cursor = [], None
    while True:
        with db.read() as c:
            answer = list_alerts(c, cursor=cursor, limit=limit, **asked)
        found.append([alert["id"] for alert in answer["alerts"]])
        cursor = answer["next"]
        if cursor is None:
            return found


def test_of_many_who_acknowledge_an_alert_at_once_the_first_stays(database: Database) -> None:
    Voice(run="r").begin().send(database)
    key = raise_alert(database, "r", 0)
    together = threading.Barrier(6)

    def acknowledge_as(who: str) -> str:
        together.wait()
        by: str = acknowledge(database, "r", key, who, NOW)["acknowledged_by"]
        return by

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(acknowledge_as, "abcdef"))) == 1
    with database.read() as c:
        transitions = get_alert(c, "r", key)["transitions"]
    assert len(transitions) == 3


def test_alerts_come_the_newest_first_page_by_page(database: Database) -> None:
    for run in ("a", "b"):
        Voice(run=run).begin().send(database)
    keys = [raise_alert(database, "ab"[i % 2], i) for i in range(7)]
    keys[6] = raise_alert(database, "a", 7, state="resolved")
    listed = pages(database, 3)
    assert [len(page) for page in listed] == [3, 3, 2]
    everything = [key for page in listed for key in page]
    assert len(set(everything)) == 8
    with database.read() as c:
        began = [get_alert(c, alert["run"], alert["id"])["began"] for alert in list_alerts(c)["alerts"]]
    assert began == sorted(began, reverse=True)
    assert pages(database, 100, run_id="b") == [[keys[5], keys[3], keys[1]]]
    assert pages(database, 100, state="resolved") == [[keys[6]]]
    for cursor in ("x", "1~2", "'; DROP TABLE alert; --"):
        with pytest.raises(Problem, match="cursor"), database.read() as c:
            list_alerts(c, cursor=cursor)


def test_an_alert_shows_the_images_nearest_to_its_onset_in_its_own_lineage(database: Database) -> None:
    voice = Voice(run="r").begin()
    for step in range(0, 100, 10):
        for name in ("grid", "other"):
            voice.say(protocol.Image, name=name, step=step, digest=f"{step:064x}")
    voice.send(database)
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=35)
    for step in (40, 50):
        voice.say(protocol.Image, name="grid", step=step, digest="f" * 64)
    voice.send(database)
    before, after, nowhere = (
        raise_alert(database, "r", 1, onset=55),
        raise_alert(database, "r", 2, onset=38, attempt=1),
        raise_alert(database, "r", 3),
    )
    with database.read() as c:
        images = {key: get_alert(c, "r", key)["images"] for key in (before, after, nowhere)}
    assert [(image["name"], image["step"]) for image in images[before]] == [
        (name, step) for name in ("grid", "other") for step in (40, 50, 60, 70, 80)
    ]
    assert [(image["name"], image["step"]) for image in images[after]] == [
        ("grid", 20), ("grid", 30), ("grid", 40), ("grid", 50), ("other", 20), ("other", 30)
    ]  # fmt: skip
    assert {image["digest"] for image in images[after] if image["step"] >= 40} == {"f" * 64}
    assert images[nowhere] == []
    assert len(images[before]) == 2 * (IMAGES_BEFORE + IMAGES_FROM)


def test_a_page_of_alerts_takes_the_same_queries_whatever_it_holds(database: Database) -> None:
    said: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: said.append(told[2]))

    def queries() -> int:
        said.clear()
        with database.read() as c:
            list_alerts(c)
        return sum(statement.lstrip().upper().startswith(("SELECT", "WITH")) for statement in said)

    for run in range(5):
        Voice(run=f"r{run}").begin().say(protocol.Image, name="x", step=3, digest="1" * 64).send(database)
    raise_alert(database, "r0", 1, onset=3)
    few = queries()
    for number in range(2, 60):
        raise_alert(database, f"r{number % 5}", number, onset=number)
    assert queries() == few
