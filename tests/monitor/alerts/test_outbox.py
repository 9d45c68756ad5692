import json

from sqlalchemy import select

from monitor.alerts.channels.event import DeliveryError, Event
from monitor.alerts.channels.webhook import Webhook
from monitor.alerts.judging import judge_run
from monitor.alerts.outbox import GIVE_UP_AFTER, delay_after, deliver_due
from monitor.store import outbox, runs
from monitor.store.database import Database
from monitor.store.schema import Outbox
from tests.monitor.alerts.receiver import receiver
from tests.monitor.alerts.streaming import Training
from tests.monitor.detection.training import natural_collapse, training

ALERT = {"id": "a", "run": "run", "run_name": "A", "rule": "r", "severity": "info", "state": "firing"}
BODY = {"type": "alert.firing", "time": 0.0, "alert": {**ALERT, "title": "It fires"}}


class Recorder:
    """A channel that keeps what it is given, and fails while it is told to."""

    def __init__(self) -> None:
        self.delivered: list[Event] = []
        self.tried = 0
        self.fails = False

    def deliver(self, event: Event) -> None:
        self.tried += 1
        if self.fails:
            raise DeliveryError("the receiver answered 500")
        self.delivered.append(event)


def wait(db: Database, *events: str, channel: str = "webhook", now: float = 0.0) -> None:
    Training(db)
    with db.write() as c:
        for event in events:
            place = {"run_id": "run", "event": event, "alert": "a", "channel": channel}
            outbox.enqueue(c, **place, body=BODY, time=now, now=now)


def outcomes(db: Database) -> dict[str, tuple[str | None, int, str]]:
    with db.read() as c:
        rows = c.execute(select(Outbox.id, Outbox.outcome, Outbox.tries, Outbox.error))
        return {row.id: (row.outcome, row.tries, row.error) for row in rows}


def test_an_alert_reaches_the_receiver_once(db: Database) -> None:
    Training(db).epochs(training(70, 1, natural_collapse(50)))
    with receiver() as there:
        channels = {"webhook": Webhook(there.url, "key", allow_private=True)}
        judge_run(db, "run", 5.0, list(channels))
        assert deliver_due(db, channels, 5.0) is None
        assert deliver_due(db, channels, 6.0) is None
    ((headers, body),) = there.received
    message = json.loads(body)
    assert message["id"] == headers["Ganwatch-Event-Id"]
    assert message["type"] == "alert.firing"
    assert message["alert"]["title"] == "Turning point at epoch 50"
    assert message["alert"]["signals"]
    assert [transition["state"] for transition in message["alert"]["transitions"]] == [
        "pending",
        "firing",
    ] or [transition["state"] for transition in message["alert"]["transitions"]] == ["firing"]


def test_delays_double_up_to_an_hour() -> None:
    assert [delay_after(tries) for tries in (1, 2, 3, 10, 11, 5000)] == [5, 10, 20, 2560, 3600, 3600]


def test_a_failure_is_tried_again_later_under_the_same_id(db: Database) -> None:
    wait(db, "e1")
    channel = Recorder()
    channel.fails = True
    assert deliver_due(db, {"webhook": channel}, 0.0) == 5.0
    assert outcomes(db) == {"e1": (None, 1, "the receiver answered 500")}
    assert deliver_due(db, {"webhook": channel}, 4.9) == 5.0
    assert channel.tried == 1
    assert deliver_due(db, {"webhook": channel}, 5.0) == 15.0
    channel.fails = False
    assert deliver_due(db, {"webhook": channel}, 15.0) is None
    assert [event.id for event in channel.delivered] == ["e1"]
    assert outcomes(db)["e1"][:2] == ("delivered", 3)


def test_a_message_that_cannot_be_made_is_tried_again_later_and_given_up_in_the_end(db: Database) -> None:
    class Broken:
        def deliver(self, event: Event) -> None:
            raise KeyError(event.id)

    wait(db, "e1")
    channels = {"webhook": Broken()}
    assert deliver_due(db, channels, 0.0) == 5.0
    assert outcomes(db) == {"e1": (None, 1, "the message could not be made: KeyError")}
    assert deliver_due(db, channels, GIVE_UP_AFTER + 6.0) is None
    assert outcomes(db)["e1"][0] == "given up"


def test_a_dead_receiver_is_tried_once_however_much_waits(db: Database) -> None:
    wait(db, *(f"e{i:03}" for i in range(250)))
    channel = Recorder()
    channel.fails = True
    assert deliver_due(db, {"webhook": channel}, 0.0) == 5.0
    assert channel.tried == 1
    channel.fails = False
    assert deliver_due(db, {"webhook": channel}, 5.0) is None
    (told,) = channel.delivered
    assert (told.body["type"], told.body["count"]) == ("alerts", 250)


def test_after_three_days_it_is_given_up(db: Database) -> None:
    wait(db, "e1")
    channel = Recorder()
    channel.fails = True
    assert deliver_due(db, {"webhook": channel}, GIVE_UP_AFTER + 1) is None
    assert outcomes(db)["e1"][0] == "given up"


def test_what_was_told_is_forgotten_after_a_month_and_what_waits_is_not(db: Database) -> None:
    wait(db, "told", now=0.0)
    deliver_due(db, {"webhook": Recorder()}, 0.0)
    wait(db, "waits", channel="mail", now=0.0)
    outbox.drop_settled(db, outbox.KEPT)
    assert set(outcomes(db)) == {"told", "waits"}
    outbox.drop_settled(db, outbox.KEPT + 1)
    assert set(outcomes(db)) == {"waits"}


def test_a_channel_that_is_no_longer_configured_holds_up_nothing(db: Database) -> None:
    wait(db, "e1", channel="pigeon")
    outbox.give_up_others(db, ["webhook"])
    assert deliver_due(db, {}, 0.0) is None
    assert outcomes(db)["e1"][0] == "given up"


def test_deleting_a_run_takes_back_what_was_not_sent(db: Database) -> None:
    wait(db, "e1")
    runs.delete_run(db, "run")
    assert deliver_due(db, {"webhook": Recorder()}, 0.0) is None


def test_no_transaction_is_open_while_a_receiver_is_awaited(db: Database) -> None:
    wait(db, "e1")

    class Writing(Recorder):
        def deliver(self, event: Event) -> None:
            super().deliver(event)
            Training(db, run="another", writer="w2").epochs(training(2, 1))

    assert deliver_due(db, {"webhook": Writing()}, 0.0) is None
