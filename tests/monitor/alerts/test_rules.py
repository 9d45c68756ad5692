"""Rules on runs as they are stored: alerts over batches, attempts, edits, restarts and kills."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import event, select, update

from monitor import protocol
from monitor.alerts.judging import judge_run
from monitor.alerts.outbox import WINDOW, deliver_due
from monitor.alerts.rulebook import RuleBook
from monitor.store import alert_documents, alert_notes, runs
from monitor.store.compactor import compact
from monitor.store.database import Database, insert_into
from monitor.store.rules import write_rule
from monitor.store.schema import Batch, Outbox, RuleState, Run
from tests.monitor.alerts.test_judging import KillError
from tests.monitor.alerts.test_outbox import Recorder
from tests.monitor.store.writing import NOW, Voice

CHANNELS = ("webhook",)
HIGH = {"series": "a", "above": 5}
Definitions = Mapping[str, Mapping[str, Any]]


def judge(db: Database, now: float = NOW, run: str = "r", **definitions: Mapping[str, Any]) -> None:
    judge_run(db, run, now, CHANNELS, book(definitions))


def book(definitions: Definitions) -> RuleBook:
    return RuleBook({name.replace("_", "-"): definition for name, definition in definitions.items()})


def begun(db: Database, run: str = "r", **fields: Any) -> Voice:
    voice = Voice(run=run).begin(**fields)
    voice.send(db)
    return voice


def log(
    db: Database, voice: Voice, values: Sequence[float], first: int, *, now: float = NOW, name: str = "a"
) -> None:
    voice.log({name: list(values)}, list(range(first, first + len(values)))).send(db, now=now)


def alerts(db: Database, run: str | None = None) -> list[dict[str, Any]]:
    """The oldest first."""
    with db.read() as c:
        found: list[dict[str, Any]] = alert_documents.list_alerts(c, run)["alerts"]
    return sorted(found, key=lambda alert: (alert["attempt"], alert["onset_step"] or 0, alert["began"]))


def states(db: Database) -> list[str]:
    return [alert["state"] for alert in alerts(db)]


def story(db: Database) -> list[str]:
    """Every transition of every alert, in order."""
    return [transition["state"] for alert in alerts(db) for transition in alert["transitions"]]


def waiting(db: Database) -> list[str]:
    with db.read() as c:
        bodies = c.execute(select(Outbox.body).order_by(Outbox.created, Outbox.id)).scalars()
        return [body["type"] for body in bodies]


def test_an_alert_says_which_series_is_where_and_since_when(db: Database) -> None:
    voice = begun(db)
    voice.say(protocol.Mark, index=0, step=3, epoch=1.0)
    log(db, voice, [1, 2, 7, 8], 1)
    judge(db, high={**HIGH, "severity": "critical"})
    (alert,) = alerts(db)
    assert (alert["rule"], alert["state"], alert["severity"]) == ("high", "firing", "critical")
    assert (alert["onset_step"], alert["onset_epoch"], alert["detected_step"]) == (3, 1.0, 3)
    assert alert["sentence"] == "a came to 7, above 5, at step 3."
    assert [(signal["series"], signal["direction"]) for signal in alert["signals"]] == [("a", "up")]
    assert waiting(db) == ["alert.firing"]


def test_an_alert_of_an_epoch_that_has_not_ended_says_the_newest_mark_s(db: Database) -> None:
    voice = begun(db).say(protocol.Mark, index=0, step=3, epoch=1.0)
    voice.say(protocol.Mark, index=1, step=6, epoch=2.0)
    log(db, voice, [1, 9], 7)
    judge(db, high=HIGH)
    (alert,) = alerts(db)
    assert (alert["onset_step"], alert["onset_epoch"], alert["detected_epoch"]) == (8, 2.0, 2.0)


def test_points_are_judged_once_whoever_stored_them(db: Database) -> None:
    voice = begun(db)
    for first in range(1, 40, 4):
        log(db, voice, [1, 1, 9, 1], first)
        judge(db, NOW + first, high=HIGH)
        if first % 3 == 0:
            compact(db, "r")
        judge(db, NOW + first, high=HIGH)
    assert states(db) == ["resolved"] * 10
    assert waiting(db) == ["alert.firing", "alert.resolved"] * 10


def test_what_the_compactor_took_first_is_read_from_the_chunks(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [1, 9], 1)
    judge(db, high=HIGH)
    log(db, voice, [1, 9, 9], 3)
    log(db, voice, [1], 5)
    compact(db, "r")
    judge(db, high=HIGH)
    log(db, voice, [9], 6)
    judge(db, high=HIGH)
    assert states(db) == ["resolved", "resolved", "firing"]


def test_a_restart_while_an_alert_is_pending_neither_loses_nor_doubles_it(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/ganwatch.db"
    rule = {**HIGH, "for": "10 steps"}
    voice = Voice().begin()
    for first in range(0, 30, 5):
        db = Database(url)
        db.migrate()
        log(db, voice, [9] * 5, first)
        judge(db, NOW + first, high=rule)
        judge(db, NOW + first, high=rule)
        db.close()
    db = Database(url)
    (alert,) = alerts(db)
    assert [transition["state"] for transition in alert["transitions"]] == ["pending", "firing"]
    assert (alert["onset_step"], alert["detected_step"]) == (0, 10)
    assert waiting(db) == ["alert.firing"]
    db.close()


def test_a_window_of_nothing_but_nan_resolves_nothing(db: Database) -> None:
    voice = begun(db)
    rule = {"series": "a", "statistic": "mean", "over": "5 steps", "above": 5}
    log(db, voice, [9], 1)
    judge(db, high=rule)
    log(db, voice, [math.nan] * 20, 2)
    judge(db, high=rule)
    assert states(db) == ["firing"]
    log(db, voice, [1] * 5, 22)
    judge(db, high=rule)
    assert states(db) == ["resolved"]


def test_a_gap_resolves_nothing_and_an_ended_run_leaves_its_alerts(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [9], 1)
    judge(db, high=HIGH)
    voice.say(protocol.Gap, last=voice.next + 10, reason="the disk was full").send(db)
    judge(db, high=HIGH)
    voice.say(protocol.End, state="finished").send(db)
    judge(db, high=HIGH)
    assert states(db) == ["firing"]


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_a_day_neither_loses_nor_doubles(db: Database, jump: float) -> None:
    voice = begun(db)
    rules = {"high": {**HIGH, "for": "2 steps"}, "quiet": {"series": "b", "silent": "10 min"}}
    log(db, voice, [1], 1, name="b")
    log(db, voice, [9, 9], 1)
    judge(db, NOW, **rules)
    now = NOW + jump
    log(db, voice, [9, 9], 3, now=now)
    judge(db, now, **rules)
    log(db, voice, [1], 5, now=NOW + 5)
    judge(db, NOW + 5, **rules)
    (alert,) = alerts(db)
    times = [transition["time"] for transition in alert["transitions"]]
    assert [transition["state"] for transition in alert["transitions"]] == ["pending", "firing", "resolved"]
    assert times == sorted(times)
    assert waiting(db) == ["alert.firing", "alert.resolved"]


def rewind(db: Database, voice: Voice, step: int) -> None:
    voice.attempt += 1
    voice.say(protocol.Attempt, number=voice.attempt, parent=voice.attempt - 1, from_step=step).send(db)


def test_a_run_that_goes_back_to_before_its_trouble_is_out_of_it(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [1, 1, 1, 9, 9], 1)
    judge(db, high=HIGH)
    rewind(db, voice, 2)
    judge(db, high=HIGH)
    assert states(db) == ["resolved"]
    log(db, voice, [1, 9], 3)
    judge(db, high=HIGH)
    assert [(alert["attempt"], alert["state"]) for alert in alerts(db)] == [(0, "resolved"), (1, "firing")]


def test_a_run_that_goes_back_to_within_its_trouble_keeps_its_one_alert(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [1, 9, 9, 9, 1], 1)
    judge(db, high={**HIGH, "keep": "2 steps"})
    rewind(db, voice, 3)
    judge(db, high={**HIGH, "keep": "2 steps"})
    log(db, voice, [9, 9], 4)
    judge(db, high={**HIGH, "keep": "2 steps"})
    assert [(alert["attempt"], alert["state"]) for alert in alerts(db)] == [(0, "firing")]
    log(db, voice, [1, 1, 1], 6)
    judge(db, high={**HIGH, "keep": "2 steps"})
    assert [(alert["attempt"], alert["state"]) for alert in alerts(db)] == [(0, "resolved")]
    assert waiting(db) == ["alert.firing", "alert.resolved"]


def test_what_a_window_knows_of_the_parents_it_still_knows_after_going_back(db: Database) -> None:
    rule = {"series": "a", "change": "3 steps", "above": 5}
    voice = begun(db)
    log(db, voice, [1, 1, 1, 1, 1], 1)
    judge(db, leap=rule)
    rewind(db, voice, 4)
    log(db, voice, [9], 5)
    judge(db, leap=rule)
    (alert,) = alerts(db)
    assert (alert["attempt"], alert["onset_step"]) == (1, 5)


@pytest.mark.parametrize(
    ("edited", "told"),
    [
        ({**HIGH, "above": 6}, ["firing"]),
        ({**HIGH, "for": "1000 steps"}, ["firing"]),
        ({**HIGH, "above": 20}, ["firing", "resolved"]),
        ({**HIGH, "series": "b"}, ["firing", "resolved"]),
        ({**HIGH, "enabled": False}, ["firing", "resolved"]),
        ({**HIGH, "project": "another"}, ["firing", "resolved"]),
        (None, ["firing", "resolved"]),
    ],
    ids=["another bound", "longer", "it does not hold", "another series", "rests", "not for it", "deleted"],
)
def test_a_rule_that_is_edited_while_it_fires_goes_on_where_it_still_holds(
    db: Database, edited: dict[str, Any] | None, told: list[str]
) -> None:
    write_rule(db, "high", HIGH, 0, NOW)
    voice = begun(db)
    log(db, voice, [1, 9, 9], 1)
    judge(db)
    write_rule(db, "high", edited, 1, NOW)
    judge(db, NOW + 1)
    judge(db, NOW + 2)
    log(db, voice, [9, 9], 4)
    judge(db, NOW + 3)
    assert story(db) == told
    assert waiting(db) == [f"alert.{state}" for state in told]


def test_a_rule_that_is_made_while_a_run_runs_looks_at_what_is_stored(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [9, 1, 9], 1)
    compact(db, "r")
    judge(db)
    judge(db, high=HIGH)
    (alert,) = alerts(db)
    assert (alert["state"], alert["onset_step"]) == ("firing", 3)


def test_a_rule_that_is_made_after_a_run_ended_says_nothing_of_it(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [9], 1)
    voice.say(protocol.End, state="finished").send(db)
    judge(db)
    judge(db, high=HIGH)
    assert alerts(db) == []


def test_a_rule_is_for_the_runs_of_its_project_and_filter(db: Database) -> None:
    rules = {"high": {**HIGH, "project": "p*", "filter": "config.loss=hinge"}}
    for run, project, loss in (("r0", "p1", "hinge"), ("r1", "p1", "ns"), ("r2", "q", "hinge")):
        voice = begun(db, run, project=project, config={"loss": loss})
        log(db, voice, [9], 1)
        judge(db, run=run, **rules)
    assert [alert["run"] for alert in alerts(db)] == ["r0"]


def test_silence_is_noticed_by_the_heartbeats_of_a_run_that_logs_nothing_more(db: Database) -> None:
    rules = {"hangs": {"series": "a", "silent": "5 min"}}
    voice = begun(db)
    log(db, voice, [1], 1)
    judge(db, **rules)
    for minute in range(1, 8):
        voice.send(db, now=NOW + 60 * minute)
        judge(db, NOW + 60 * minute, **rules)
    (alert,) = alerts(db)
    assert (alert["rule"], alert["state"], alert["title"]) == ("hangs", "firing", "Nothing more of a")
    log(db, voice, [1], 2, now=NOW + 500)
    judge(db, NOW + 500, **rules)
    assert states(db) == ["resolved"]


def test_a_service_that_was_away_for_a_day_takes_no_run_for_silent(db: Database) -> None:
    rules = {"hangs": {"series": "a", "silent": "5 min"}}
    voice = begun(db)
    log(db, voice, [1], 1)
    judge(db, **rules)
    voice.send(db, now=NOW + 86400)
    judge(db, NOW + 86400, **rules)
    assert alerts(db) == []


def test_a_damaged_batch_is_left_out_and_the_others_are_judged(tmp_path: Any) -> None:
    db = Database(f"sqlite:///{tmp_path}/ganwatch.db")
    db.migrate()
    voice = begun(db)
    log(db, voice, [1], 1)
    with db.write() as c:
        c.execute(update(Batch).values(payload=b"rotten"))
    log(db, voice, [9], 2)
    judge(db, high=HIGH)
    judge(db, high=HIGH, other={**HIGH, "above": 3})
    assert {alert["rule"] for alert in alerts(db)} == {"high", "other"}
    db.close()


def test_a_kill_at_any_statement_loses_and_doubles_nothing(tmp_path: Any) -> None:
    steady = Database(f"sqlite:///{tmp_path}/steady.db")
    steady.migrate()
    voice = begun(steady)
    log(steady, voice, [1, 9, 1, 9], 1)
    judge(steady, high={**HIGH, "for": "1 step"})
    log(steady, voice, [9, 1, 9, 9], 5)
    steady.close()
    fresh = (tmp_path / "steady.db").read_bytes()

    def outcome(db: Database) -> Any:
        with db.read() as c:
            kept = [tuple(row) for row in c.execute(select(RuleState.cursor, RuleState.state))]
        return story(db), waiting(db), kept

    judge(steady, high={**HIGH, "for": "1 step"})
    expected = outcome(steady)
    steady.close()
    assert expected[0] == ["pending", "resolved", "pending", "firing", "resolved", "pending", "firing"]
    statement, survived = 0, False
    while not survived:
        statement += 3
        path = tmp_path / "killed.db"
        path.write_bytes(fresh)
        for beside in ("-wal", "-shm"):
            path.with_name(f"killed.db{beside}").unlink(missing_ok=True)
        db = Database(f"sqlite:///{path}")
        left = statement

        def kill(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KillError

        event.listen(db.engine, "before_cursor_execute", kill)
        try:
            judge(db, high={**HIGH, "for": "1 step"})
            survived = left > 0
        except KillError:
            pass
        event.remove(db.engine, "before_cursor_execute", kill)
        judge(db, high={**HIGH, "for": "1 step"})
        assert outcome(db) == expected
        db.close()
    assert statement > 20


def test_a_thousand_runs_that_fire_at_once_are_one_notification(tmp_path: Any) -> None:
    db = Database(f"sqlite:///{tmp_path}/ganwatch.db")
    db.migrate()
    voice = begun(db)
    log(db, voice, [9], 1)
    judge(db, high=HIGH)
    multiply(db, 1000)
    channel = Recorder()
    assert deliver_due(db, {"webhook": channel}, NOW) is None
    (told,) = channel.delivered
    assert (told.body["type"], told.body["count"], told.body["runs"]) == ("alerts", 1000, 1000)
    assert told.body["counts"] == [
        {"type": "alert.firing", "severity": "warning", "rule": "high", "count": 1000}
    ]
    assert len(told.body["alerts"]) == 10
    log(db, voice, [1], 2)
    judge(db, NOW + 1, high=HIGH)
    assert deliver_due(db, {"webhook": channel}, NOW + 1) == NOW + WINDOW
    assert deliver_due(db, {"webhook": channel}, NOW + WINDOW) is None
    assert [event.body["type"] for event in channel.delivered] == ["alerts", "alert.resolved"]
    db.close()


def multiply(db: Database, count: int) -> None:
    """Let the alert of run ``r`` be that of so many runs, as the outbox has it."""
    with db.write() as c:
        run, row = (dict(c.execute(select(table)).one()._mapping) for table in (Run, Outbox))
        names = [f"r{number}" for number in range(1, count)]
        c.execute(insert_into(c, Run), [{**run, "id": name} for name in names])
        body = row["body"]
        bodies = ({**body, "alert": {**body["alert"], "run": name}} for name in names)
        rows = [
            {**row, "run_id": name, "id": f"{name:0>32}", "body": each}
            for name, each in zip(names, bodies, strict=True)
        ]
        c.execute(insert_into(c, Outbox), rows)


def test_a_group_that_was_not_delivered_is_the_same_at_the_next_try(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [9, 1] * 8, 1)
    judge(db, high=HIGH)
    channel = Recorder()
    tried: list[Any] = []
    channel.fails = True
    deliver = channel.deliver
    channel.deliver = lambda event: (tried.append(event), deliver(event))[1]  # type: ignore[method-assign]
    assert deliver_due(db, {"webhook": channel}, NOW) == NOW + 5
    log(db, voice, [9, 1], 50)
    judge(db, NOW + 1, high=HIGH)
    channel.fails = False
    deliver_due(db, {"webhook": channel}, NOW + 5)
    assert tried[0] == tried[1]
    assert tried[0].body["count"] == 16
    deliver_due(db, {"webhook": channel}, NOW + WINDOW)
    assert len(channel.delivered) == 3


def test_a_snoozed_alert_is_told_to_nobody_and_wakes_up_if_it_still_fires(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [9], 1)
    judge(db, high=HIGH)
    (alert,) = alerts(db)
    asleep = alert_notes.snooze(db, "r", alert["id"], until=NOW + 100, by="ada", now=NOW)
    assert (asleep["snoozed_until"], asleep["snoozed_by"]) == (NOW + 100, "ada")
    assert alert_notes.wake_due(db, CHANNELS, NOW + 99) == []
    assert alert_notes.wake_due(db, CHANNELS, NOW + 100) == ["r"]
    assert alert_notes.wake_due(db, CHANNELS, NOW + 101) == []
    assert story(db) == ["firing", "snoozed", "firing"]
    assert waiting(db) == ["alert.firing", "alert.firing"]
    assert alerts(db)[0]["notified"] == NOW + 100


def test_what_ends_in_a_snooze_is_told_to_nobody(db: Database) -> None:
    voice = begun(db)
    log(db, voice, [9], 1)
    judge(db, high=HIGH)
    alert_notes.snooze(db, "r", alerts(db)[0]["id"], until=NOW + 100, by="ada", now=NOW)
    log(db, voice, [1], 2)
    judge(db, NOW + 1, high=HIGH)
    assert alert_notes.wake_due(db, CHANNELS, NOW + 200) == []
    assert (states(db), waiting(db)) == (["resolved"], ["alert.firing"])
    log(db, voice, [9], 3)
    judge(db, NOW + 2, high=HIGH)
    assert waiting(db) == ["alert.firing", "alert.firing"], "the next episode is news"


def test_a_lost_run_is_a_rule_that_can_rest(db: Database) -> None:
    begun(db)
    runs.mark_lost(db, NOW + 100, silent_for=60.0)
    judge(db, NOW + 100, lost_run={"lost": True, "enabled": False})
    assert alerts(db) == []
    judge(db, NOW + 100, lost_run={"lost": True, "severity": "info"})
    assert [alert["severity"] for alert in alerts(db)] == ["info"]
