"""A confirmed turning point asks of its run what the run wanted when it began, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from monitor import protocol
from monitor.alerts import rescue
from monitor.alerts.judging import judge_run
from monitor.errors import Problem
from monitor.store import alert_documents, commands, runs
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.ingest import apply_batch
from monitor.store.schema import Outbox
from tests.monitor.alerts.streaming import STEPS, Training
from tests.monitor.detection.training import natural_collapse, training

COLLAPSING = training(56, 1, natural_collapse(50))
#: The epoch at whose end the collapse is confirmed.
CONFIRMED = 51
OBEYS = {"commands": ["stop", "rollback"]}
GN = protocol.Remedy(name="gn", settings={"critic.kind": "gn"})


def judged(db: Database, run: Training, records: list[dict[str, float]], first: int = 0) -> None:
    """The steady phase at once, then an epoch a second, each judged when it has arrived."""
    steady = 0 if first else 48
    if steady:
        run.epochs(records[:steady])
    for second, record in enumerate(records[steady:], start=first + steady):
        run.epoch(record, float(second))
        judge_run(db, run.run, float(second))


def commanded(db: Database, run: str = "run") -> list[dict[str, Any]]:
    with db.read() as c:
        return commands.list_commands(c, run)


def alerts_of(db: Database, run: str = "run") -> list[dict[str, Any]]:
    with db.read() as c:
        return list(alert_documents.list_alerts(c, run)["alerts"])


def heard(db: Database, run: Training, now: float, **fields: Any) -> list[protocol.Command]:
    """What the answer to a heartbeat carries."""
    beat = protocol.Batch(
        writer=run.writer, attempt=run.attempt, first=run.sequence + 1, last=run.sequence, **fields
    )
    return apply_batch(db, run.run, beat, now).receipt.commands


@pytest.mark.parametrize(
    ("wants", "kind"), [("stop", "stop"), ("rollback", "rollback"), ("rescue", "rollback")]
)
def test_a_confirmed_turning_point_commands_what_the_run_wanted(db: Database, wants: str, kind: str) -> None:
    run = Training(db, **OBEYS, on_turning_point=wants)
    judged(db, run, COLLAPSING)
    (alert,) = alerts_of(db)
    (command,) = commanded(db)
    assert (command["kind"], command["attempt"], command["issued"]) == (kind, 0, float(CONFIRMED))
    assert command["parameters"] == {
        "alert": alert["id"],
        "onset_step": 51 * STEPS,
        "automatic": True,
    }
    assert [received.id for received in heard(db, run, 70.0)] == [command["id"]]


@pytest.mark.parametrize(
    "begins",
    [
        OBEYS,  # it wants to be notified only
        {"commands": ["stop"], "on_turning_point": "rescue"},  # it says one thing and allows another
        {},
    ],
)
def test_a_run_that_did_not_ask_for_it_is_left_alone(db: Database, begins: dict[str, Any]) -> None:
    judged(db, Training(db, **begins), COLLAPSING)
    assert len(alerts_of(db)) == 1
    assert commanded(db) == []


def test_a_healthy_run_is_not_commanded(db: Database) -> None:
    judged(db, Training(db, **OBEYS, on_turning_point="rescue"), training(60, 2))
    assert commanded(db) == []


def test_alert_notification_and_command_are_there_together_or_not_at_all(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Training(db, **OBEYS, on_turning_point="rescue")
    judged(db, run, COLLAPSING[:CONFIRMED])
    run.epoch(COLLAPSING[CONFIRMED], float(CONFIRMED))
    with monkeypatch.context() as broken:

        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError("the service was killed here")

        broken.setattr(commands, "add_command", fail)
        with pytest.raises(RuntimeError):
            judge_run(db, "run", 60.0, ("webhook",))
    assert [alert["state"] for alert in alerts_of(db)] == ["pending"]
    judge_run(db, "run", 61.0, ("webhook",))
    assert [alert["state"] for alert in alerts_of(db)] == ["firing"]
    assert len(commanded(db)) == 1
    with db.read() as c:
        assert len(c.execute(select(Outbox.id)).all()) == 1


def test_judging_again_commands_nothing_again(db: Database) -> None:
    run = Training(db, **OBEYS, on_turning_point="rescue")
    judged(db, run, COLLAPSING)
    for now in (100.0, 200.0):
        judge_run(db, "run", now)
    compact(db, "run")
    judge_run(db, "run", 300.0)
    assert len(commanded(db)) == 1


def test_a_command_that_expired_is_not_given_and_not_repeated(db: Database) -> None:
    run = Training(db, **OBEYS, on_turning_point="rescue")
    judged(db, run, COLLAPSING)
    later = CONFIRMED + commands.DEFAULT_LIFETIME + 1.0
    assert heard(db, run, later) == []
    judge_run(db, "run", later)
    assert len(commanded(db)) == 1


def test_who_delivers_for_a_dead_run_is_not_commanded(db: Database) -> None:
    run = Training(db, **OBEYS, on_turning_point="rescue")
    judged(db, run, COLLAPSING)
    assert heard(db, run, 70.0, replayed=True) == []


def test_a_run_that_is_delivered_after_its_death_is_not_commanded(db: Database) -> None:
    def replay(batch: protocol.Batch, now: float) -> None:
        batch.replayed = True
        apply_batch(db, "run", batch, now)

    judged(db, Training(replay, **OBEYS, on_turning_point="rescue"), COLLAPSING)
    assert [alert["state"] for alert in alerts_of(db)] == ["firing"]
    assert commanded(db) == []


def test_a_run_that_went_back_is_not_commanded_for_what_it_left(db: Database) -> None:
    run = Training(db, **OBEYS, on_turning_point="rescue")
    judged(db, run, COLLAPSING)
    (command,) = commanded(db)
    run.rewind(48 * STEPS, 60.0, remedy=GN, command=command["id"])
    judge_run(db, "run", 60.0)
    judged(db, run, COLLAPSING[43:48], first=61)
    assert [alert["state"] for alert in alerts_of(db)] == ["resolved"]
    assert len(commanded(db)) == 1
    with db.read() as c:
        attempt = runs.get_run(c, "run")["attempts"][1]
    assert attempt["alert"] == command["parameters"]["alert"]
    assert attempt["remedy"]["name"] == "gn"


def test_a_run_that_was_killed_before_it_obeyed_is_asked_again_when_it_goes_on(db: Database) -> None:
    run = Training(db, **OBEYS, on_turning_point="rescue")
    judged(db, run, COLLAPSING)
    # From a checkpoint behind the turn: the alert still holds, and the command was for the attempt before.
    run.rewind(54 * STEPS, 60.0)
    assert heard(db, run, 60.0) == []
    judge_run(db, "run", 61.0)
    first, second = commanded(db)
    assert (first["attempt"], second["attempt"]) == (0, 1)
    assert first["parameters"] == second["parameters"]
    assert [received.id for received in heard(db, run, 62.0)] == [second["id"]]


@pytest.mark.parametrize("outcome", ["failed", "done"])
def test_a_run_that_has_answered_is_not_asked_again_when_it_goes_on(db: Database, outcome: Any) -> None:
    """It could not go back, or it was stopped and somebody goes on with it all the same."""
    run = Training(db, **OBEYS, on_turning_point="stop")
    judged(db, run, COLLAPSING)
    (command,) = commanded(db)
    answer = protocol.Acknowledgement(
        sequence=run.sequence + 1, time=60.0, command=command["id"], outcome=outcome
    )
    run.send([answer], 60.0)
    run.rewind(54 * STEPS, 61.0)
    judge_run(db, "run", 62.0)
    assert len(commanded(db)) == 1


def test_an_alert_that_comes_late_still_names_the_step_to_go_back_to(db: Database) -> None:
    """The service was away: forty epochs arrive at once, long after the turn."""
    run = Training(db, **OBEYS, on_turning_point="rescue")
    run.epochs(training(90, 1, natural_collapse(50)))
    judge_run(db, "run", 1.0)
    (command,) = commanded(db)
    assert command["parameters"]["onset_step"] == 51 * STEPS


# -- by hand -----------------------------------------------------------------------------------------


def test_a_person_asks_for_the_same_without_saying_where(db: Database) -> None:
    run = Training(db, **OBEYS)
    judged(db, run, COLLAPSING)
    command = rescue.command_by_hand(db, "run", "rollback", {}, 70.0)
    (alert,) = alerts_of(db)
    assert command["parameters"] == {"alert": alert["id"], "onset_step": 51 * STEPS}
    chosen = rescue.command_by_hand(db, "run", "rollback", {"onset_step": 40}, 71.0)
    assert chosen["parameters"] == {"onset_step": 40}


def test_a_person_is_told_why_not(db: Database) -> None:
    Training(db, "obeys", "obeys", **OBEYS).epochs(training(20, 2))
    with pytest.raises(Problem, match=r"no open turning point: say parameters\.onset_step") as refused:
        rescue.command_by_hand(db, "obeys", "rollback", {}, 1.0)
    assert (refused.value.status, refused.value.field) == (422, "parameters")
    for wrong in ("ten", True, 1.5):
        with pytest.raises(Problem, match="onset_step is a step"):
            rescue.command_by_hand(db, "obeys", "rollback", {"onset_step": wrong}, 1.0)
    Training(db, "deaf", "deaf").epochs(training(20, 2))
    with pytest.raises(Problem, match="does not obey 'rollback'; it allows none") as refused:
        rescue.command_by_hand(db, "deaf", "rollback", {}, 1.0)
    assert (refused.value.status, refused.value.type) == (409, "not-allowed")
