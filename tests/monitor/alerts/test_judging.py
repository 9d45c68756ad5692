import math
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, select, update

from monitor import protocol
from monitor.alerts import turning_points
from monitor.alerts.judging import judge_run
from monitor.store import alert_documents, census, compactor, runs
from monitor.store.database import Database
from monitor.store.schema import DetectorState, Outbox
from tests.monitor.alerts.streaming import STEPS, Training
from tests.monitor.detection.training import between, missing, natural_collapse, training, turn
from tests.monitor.store.writing import Voice

COLLAPSING = training(70, 1, natural_collapse(50))
CHANNELS = ("webhook",)


def alerts_of(db: Database, run: str = "run") -> list[dict[str, Any]]:
    with db.read() as c:
        return alert_documents.list_alerts(c, run)["alerts"]


def waiting(db: Database) -> list[tuple[str, str]]:
    with db.read() as c:
        rows = c.execute(select(Outbox.id, Outbox.body).order_by(Outbox.created, Outbox.id))
        return [(row.id, row.body["type"]) for row in rows]


def outcome(db: Database) -> Any:
    """All that judging leaves behind, without the times at which it happened to be done."""
    times = {"began", "updated", "resolved", "run_name"}
    found = [{key: value for key, value in alert.items() if key not in times} for alert in alerts_of(db)]
    for alert in found:
        alert["transitions"] = [(t["state"], t["reason"]) for t in alert["transitions"]]
    with db.read() as c:
        standings = c.execute(select(DetectorState.attempt, DetectorState.cursor, DetectorState.state))
        return found, [tuple(row) for row in standings], waiting(db)


def test_a_collapse_becomes_one_alert_that_says_what_moved(db: Database) -> None:
    run = Training(db)
    stream(db, run, COLLAPSING)
    (alert,) = alerts_of(db)
    assert (alert["rule"], alert["state"], alert["severity"]) == ("turning-point", "firing", "critical")
    assert (alert["onset_epoch"], alert["onset_step"]) == (50.0, 51 * STEPS)
    assert (alert["detected_epoch"], alert["detected_step"]) == (51.0, 52 * STEPS)
    assert alert["title"] == "Turning point at epoch 50"
    assert {s["signal"]: s["series"] for s in alert["signals"]}["D"] == "diversity/test"
    assert [t["state"] for t in alert["transitions"]][:2] == ["pending", "firing"]
    assert [t["time"] for t in alert["transitions"]][:2] == [50.0, 51.0]
    assert [kind for _, kind in waiting(db)] == ["alert.firing"]


def test_a_healthy_run_has_no_alert(db: Database) -> None:
    Training(db).epochs(training(90, 2))
    assert judge_run(db, "run", 0.0, CHANNELS) == frozenset()
    assert alerts_of(db) == []


def test_judging_says_when_pages_are_stale_and_raises_the_version(db: Database) -> None:
    Training(db).epochs(COLLAPSING)
    with db.read() as c:
        before = runs.get_run(c, "run")["version"]
    assert judge_run(db, "run", 1.0, CHANNELS) == {"alerts"}
    assert judge_run(db, "run", 2.0, CHANNELS) == frozenset()
    with db.read() as c:
        assert runs.get_run(c, "run")["version"] > before


def test_how_far_a_run_is_judged_makes_what_was_known_of_it_stale(db: Database) -> None:
    Training(db).epochs(training(10, 2))
    with db.read() as c:
        before, tag = runs.get_run(c, "run")["judged"], census.run_tag(c, "run")
    assert judge_run(db, "run", 1.0, CHANNELS) == frozenset()
    with db.read() as c:
        assert (before, runs.get_run(c, "run")["judged"]) == (0, 10)
        assert census.run_tag(c, "run") != tag


def test_all_at_once_or_one_by_one_gives_the_same(tmp_path: Any) -> None:
    outcomes = []
    for name in ("stepwise", "at once"):
        db = Database(f"sqlite:///{tmp_path}/{name}.db")
        db.migrate()
        run = Training(db)
        for record in COLLAPSING:
            run.epoch(record, 0.0)
            if name == "stepwise":
                judge_run(db, "run", 0.0, CHANNELS)
        judge_run(db, "run", 0.0, CHANNELS)
        outcomes.append(outcome(db))
        db.close()
    assert outcomes[0] == outcomes[1]


def stream(
    db: Database,
    run: Training,
    records: list[dict[str, float]],
    clock: Callable[[int], float] = float,
) -> None:
    """The steady phase at once, then epoch by epoch, judged after each."""
    run.epochs(records[:45])
    judge_run(db, "run", clock(44), CHANNELS)
    for i, record in enumerate(records[45:], start=45):
        run.epoch(record, clock(i))
        judge_run(db, "run", clock(i), CHANNELS)


def cursor(db: Database) -> int:
    with db.read() as c:
        return c.execute(select(DetectorState.cursor)).scalar_one()


class KillError(Exception):
    """Stands for SIGKILL: nothing after it runs, nothing of the open transaction stays."""


def test_a_kill_at_any_statement_loses_and_doubles_nothing(tmp_path: Any) -> None:
    steady = Database(f"sqlite:///{tmp_path}/steady.db")
    steady.migrate()
    run = Training(steady)
    run.epochs(COLLAPSING[:50])
    judge_run(steady, "run", 0.0, CHANNELS)
    run.epochs(COLLAPSING[50:])
    steady.close()
    fresh = (tmp_path / "steady.db").read_bytes()
    judge_run(steady, "run", 0.0, CHANNELS)
    expected = outcome(steady)
    steady.close()
    assert len(expected[0]) == len(expected[2]) == 1

    statement = 0
    survived = False
    while not survived:
        statement += 1
        (tmp_path / f"killed-{statement}.db").write_bytes(fresh)
        db = Database(f"sqlite:///{tmp_path}/killed-{statement}.db")
        left = statement

        def kill(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KillError

        event.listen(db.engine, "before_cursor_execute", kill)
        try:
            judge_run(db, "run", 0.0, CHANNELS)
            survived = left > 0
        except KillError:
            pass
        event.remove(db.engine, "before_cursor_execute", kill)
        judge_run(db, "run", 0.0, CHANNELS)
        assert outcome(db) == expected
        db.close()
    assert statement > 20


def test_values_that_come_after_their_mark_are_waited_for(db: Database) -> None:
    run = Training(db)
    run.epochs(COLLAPSING[:60])
    judge_run(db, "run", 0.0, CHANNELS)
    late = protocol.Mark(sequence=run.sequence + 1, time=0.0, index=60, step=61 * STEPS, expects=["Q", "D"])
    value = protocol.Points(
        names=["quality/test", "diversity/test"],
        sequence=[run.sequence + 2],
        step=[61 * STEPS],
        time=[0.0],
        values=[[0.8], [2.0]],
        mark=[60],
    )
    run.send([late])
    judge_run(db, "run", 0.0, CHANNELS)
    assert cursor(db) == 60
    run.send([value])
    judge_run(db, "run", 0.0, CHANNELS)
    assert cursor(db) == 60, "what the record before had is waited for too"
    run.epoch(COLLAPSING[61], 0.0)
    judge_run(db, "run", 0.0, CHANNELS)
    assert cursor(db) == 62


def test_what_is_compacted_is_judged_like_what_is_not(tmp_path: Any) -> None:
    outcomes = []
    for name in ("compacted", "as it came"):
        db = Database(f"sqlite:///{tmp_path}/{name}.db")
        db.migrate()
        run = Training(db)
        for first in range(0, len(COLLAPSING), 10):
            run.epochs(COLLAPSING[first : first + 10])
            if name == "compacted":
                compactor.compact(db, "run")
        judge_run(db, "run", 0.0, CHANNELS)
        outcomes.append(outcome(db))
        db.close()
    assert outcomes[0] == outcomes[1]


def test_lost_is_an_alert_that_ends_when_the_run_is_heard_of_again(db: Database) -> None:
    run = Training(db)
    run.epochs(training(5, 3), now=10.0)
    assert runs.mark_lost(db, 100.0, silent_for=60.0) == ["run"]
    assert judge_run(db, "run", 100.0, CHANNELS) == {"alerts"}
    assert judge_run(db, "run", 101.0, CHANNELS) == frozenset()
    (alert,) = alerts_of(db)
    assert (alert["rule"], alert["state"]) == ("lost-run", "firing")
    run.heartbeat(200.0)
    judge_run(db, "run", 200.0, CHANNELS)
    (alert,) = alerts_of(db)
    assert alert["state"] == "resolved"
    assert [kind for _, kind in waiting(db)] == ["alert.firing", "alert.resolved"]
    runs.mark_lost(db, 400.0, silent_for=60.0)
    judge_run(db, "run", 400.0, CHANNELS)
    assert [alert["state"] for alert in alerts_of(db)] == ["firing", "resolved"]


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_the_end_of_a_run_resolves_no_alert(db: Database, state: Any) -> None:
    run = Training(db)
    run.epochs(COLLAPSING)
    judge_run(db, "run", 1.0, CHANNELS)
    run.end(state, 2.0)
    judge_run(db, "run", 2.0, CHANNELS)
    (alert,) = alerts_of(db)
    assert alert["state"] == "firing"


def test_a_loss_that_is_no_number_fires_at_its_step(db: Database) -> None:
    run = Training(db)
    run.epochs(training(6, 4, missing(4, math.inf, "loss_G", "loss_D")))
    # The trainings made here log no losses until they are given.
    run.epoch({**training(1, 4)[0], "loss_D": math.nan}, 1.0)
    judge_run(db, "run", 1.0, CHANNELS)
    (alert,) = alerts_of(db)
    assert (alert["rule"], alert["state"]) == ("non-finite", "firing")
    assert alert["title"] == "NaN or infinity in loss/g and loss/d"
    assert alert["onset_step"] == 4 * STEPS + 1
    judge_run(db, "run", 2.0, CHANNELS)
    assert len(waiting(db)) == 1


def test_a_rollback_ends_the_alert_and_the_new_attempt_remembers_the_steady_phase(db: Database) -> None:
    run = Training(db)
    run.epochs(COLLAPSING)
    judge_run(db, "run", 1.0, CHANNELS)
    run.rewind(45 * STEPS, 2.0)
    judge_run(db, "run", 2.0, CHANNELS)
    (alert,) = alerts_of(db)
    assert alert["state"] == "resolved"
    assert alert["transitions"][-1]["reason"] == f"the run went back to step {45 * STEPS}"
    run.epochs(training(70, 1, turn(55))[45:])
    judge_run(db, "run", 3.0, CHANNELS)
    second = next(alert for alert in alerts_of(db) if alert["attempt"] == 1)
    assert second["state"] == "firing"
    assert second["onset_step"] == 56 * STEPS


def test_a_new_attempt_reads_the_part_of_its_parents_once(db: Database) -> None:
    run = Training(db)
    run.epochs(COLLAPSING)
    run.rewind(45 * STEPS, 2.0)
    judge_run(db, "run", 2.0, CHANNELS)
    with db.read() as c:
        standings = c.execute(select(DetectorState.attempt, DetectorState.cursor)).all()
    assert [tuple(standing) for standing in standings] == [(1, 0)]


def test_a_detector_that_was_replaced_judges_page_by_page_and_tells_nothing_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turning_points, "PAGE", 20)
    run = Training(db)
    run.epochs([*COLLAPSING[:60], *training(60, 3)])
    judge_run(db, "run", 1.0, CHANNELS)
    before = outcome(db)
    assert [alert["state"] for alert in before[0]] == ["resolved"]
    with db.write() as c:
        (state,) = c.execute(select(DetectorState.state)).scalars()
        old = state | {"detector": state["detector"] | {"version": 0}}
        c.execute(update(DetectorState).values(state=old))
    run.epoch(training(1, 4)[0], 2.0)
    judge_run(db, "run", 2.0, CHANNELS)
    after = outcome(db)
    assert (after[0], after[2]) == (before[0], before[2])
    assert cursor(db) == run.mark


def test_a_dip_is_suspected_and_told_to_nobody(db: Database) -> None:
    run = Training(db)
    glitch = between(50, 51, Q=0.2, D=0.3, S_G=5, S_D=5, S_G_ep=5, S_D_ep=5)
    stream(db, run, training(60, 5, glitch))
    (alert,) = alerts_of(db)
    assert [t["state"] for t in alert["transitions"]] == ["pending", "resolved"]
    assert waiting(db) == []


def test_a_gap_does_not_resolve_a_suspicion(db: Database) -> None:
    run = Training(db)
    gone = missing(51, math.inf, "Q", "D", "S_G", "S_D", "S_G_ep", "S_D_ep")
    stream(db, run, training(53, 6, natural_collapse(50), gone))
    states = {alert["rule"]: alert["state"] for alert in alerts_of(db)}
    assert states["turning-point"] == "pending"


def test_a_clock_that_jumps_back_a_day_neither_loses_nor_doubles(db: Database) -> None:
    run = Training(db)
    stream(db, run, COLLAPSING, lambda i: 1e6 + (i if i <= 50 else i - 86400.0))
    (alert,) = alerts_of(db)
    times = [t["time"] for t in alert["transitions"]]
    assert times == sorted(times)
    assert len(waiting(db)) == 1


def test_a_run_that_is_not_there_is_not_judged(db: Database) -> None:
    assert judge_run(db, "nobody", 0.0, CHANNELS) == frozenset()


def test_a_lost_run_whose_end_is_delivered_late_is_no_alert_any_more(db: Database) -> None:
    voice = Voice(run="run").begin(time=0.0)
    voice.send(db, now=0.0)
    runs.mark_lost(db, 100.0, silent_for=60.0)
    judge_run(db, "run", 100.0)
    assert [alert["state"] for alert in alerts_of(db)] == ["firing"]
    voice.say(protocol.End, state="failed", time=50.0).send(db, replayed=True, now=200.0)
    judge_run(db, "run", 200.0)
    assert [alert["state"] for alert in alerts_of(db)] == ["resolved"]


def test_a_run_that_was_never_heard_of_while_it_lived_did_not_fall_silent(db: Database) -> None:
    voice = Voice(run="run").begin(time=0.0).log({"a": [1.0]}, [0])
    voice.send(db, replayed=True, now=100.0)
    judge_run(db, "run", 100.0)
    assert alerts_of(db) == []


@pytest.mark.parametrize("remedy", [None, protocol.Remedy(name="gn")])
def test_a_remedy_makes_the_angles_of_a_new_attempt_new_numbers(
    db: Database, remedy: protocol.Remedy | None
) -> None:
    run = Training(db)
    other = training(140, 14, between(60, 140, S_G=6, S_D=6, S_G_ep=6, S_D_ep=6), between(66, 72, Q=0.85))
    run.epochs(other[:60])
    run.rewind(60 * STEPS, 1.0, remedy=remedy)
    run.epochs(other[60:])
    judge_run(db, "run", 2.0)
    assert [alert["rule"] for alert in alerts_of(db)] == ([] if remedy else ["turning-point"])
