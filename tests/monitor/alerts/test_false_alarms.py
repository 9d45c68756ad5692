"""The e-detector's mark on an alert, and what becomes of alerts that were none."""

import math
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from monitor import protocol
from monitor.alerts.judging import judge_run
from monitor.alerts.turning_points import RULE
from monitor.errors import Problem
from monitor.store import alert_documents, false_alarms
from monitor.store.database import Database
from monitor.store.schema import Mark
from tests.monitor.alerts.streaming import Training
from tests.monitor.api.batches import send
from tests.monitor.api.running import run_service
from tests.monitor.detection.training import natural_collapse, training
from tests.monitor.store.writing import Voice

COLLAPSING = training(70, 1, natural_collapse(50))


def alert_of(db: Database, run: str = "run") -> dict[str, Any]:
    with db.read() as c:
        (alert,) = alert_documents.list_alerts(c, run)["alerts"]
    return alert  # type: ignore[no-any-return]


def observed(db: Database) -> tuple[int, int, int]:
    with db.read() as c:
        seen = false_alarms.observed(c, RULE)
    return seen.dismissed, seen.confirmed, seen.healthy


def test_the_e_detector_marks_the_alert_once_and_says_its_run_length(db: Database) -> None:
    run = Training(db)
    for epoch, record in enumerate(COLLAPSING):
        run.epoch(record, float(epoch))
        judge_run(db, "run", float(epoch))
    transitions = alert_of(db)["transitions"]
    assert [t["state"] for t in transitions] == ["pending", "firing", "guaranteed"]
    assert 51 < transitions[-1]["time"] <= 60
    assert "one such mark in 1000 evaluations at most" in transitions[-1]["reason"]
    assert judge_run(db, "run", 99.0) == frozenset()


def test_pages_and_single_marks_lead_to_the_same_mark(db: Database) -> None:
    Training(db).epochs(COLLAPSING)
    judge_run(db, "run", 1.0)
    assert [t["state"] for t in alert_of(db)["transitions"]] == ["pending", "firing", "guaranteed"]
    assert alert_of(db)["transitions"][-1]["reason"].startswith("e-detector at epoch 5")


def test_a_true_alert_ends_what_was_healthy_and_a_false_one_does_not(db: Database) -> None:
    assert observed(db) == (0, 0, 0)
    Training(db, "healthy", "a").epochs(training(90, 2))
    Training(db).epochs(COLLAPSING)
    judge_run(db, "healthy", 1.0)
    judge_run(db, "run", 1.0)
    assert observed(db) == (0, 1, 90 + 50)
    key = alert_of(db)["id"]
    for name in ("ada", "grace"):
        dismissed = false_alarms.dismiss(db, "run", key, name, 5.0)
    assert [(t["state"], t["reason"]) for t in dismissed["transitions"]][-1] == ("dismissed", "ada")
    assert observed(db) == (1, 1, 90 + 70)


def test_what_was_not_judged_yet_was_not_watched(db: Database) -> None:
    Training(db).epochs(training(40, 2))
    assert observed(db) == (0, 0, 0)


def test_only_marks_that_came_are_counted_however_they_are_numbered(db: Database) -> None:
    voice = Voice().begin()
    for index in (0, 3, 10**6):
        voice.say(protocol.Mark, index=index, step=index + 1)
    voice.say(protocol.End, state="finished").send(db)
    judge_run(db, "r", 1.0)
    assert observed(db) == (0, 0, 3)


def test_what_was_watched_is_counted_without_reading_the_marks(db: Database) -> None:
    Training(db).epochs(training(40, 2))
    judge_run(db, "run", 1.0)
    with db.write() as c:
        c.execute(delete(Mark))
    assert observed(db) == (0, 0, 40)


def test_an_alert_that_is_not_there_cannot_be_dismissed(db: Database) -> None:
    Training(db).epochs(training(3, 2))
    with pytest.raises(Problem, match="no alert"):
        false_alarms.dismiss(db, "run", "0" * 32, "ada", 1.0)


def test_over_http(tmp_path: Path) -> None:
    with run_service(tmp_path) as running, running.client() as client:
        Training(lambda batch, _: send(client, "run", batch), "run").epochs(COLLAPSING)
        before = client.get("/api/v1/false-alarms").json()
        assert before.keys() == {
            "dismissed",
            "confirmed",
            "healthy",
            "per_thousand",
            "low",
            "high",
            "sentence",
        }
        answer = client.post(f"/api/v1/runs/run/alerts/{'0' * 32}/dismiss", json={"by": "ada"})
        assert (answer.status_code, answer.json()["type"].split("/")[-1]) == (404, "unknown-alert")
        assert client.post(f"/api/v1/runs/run/alerts/{'0' * 32}/dismiss", json={}).status_code == 422
    assert not math.isnan(before["healthy"])
