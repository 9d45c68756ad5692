"""Rules, snoozes and channels over HTTP, through the real service, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.api.alerts import Snooze
from monitor.errors import Misuse
from monitor.protocol import Batch
from tests.monitor.alerts.receiver import Receiver, receiver
from tests.monitor.api.batches import send
from tests.monitor.api.running import run_service
from tests.monitor.store.writing import Voice

HIGH = {"series": "a", "above": 5, "severity": "info"}
FILE = (
    '[rules.from-the-file]\nseries = "b"\nbelow = 0\n[rules.training-hangs]\nenabled = false\nlost = true\n'
)


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


@pytest.fixture(scope="module")
def client(hook: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "rules.toml").write_text(FILE)
    options: dict[str, Any] = {"webhook_url": hook.url, "webhook_allow_private": True}
    with run_service(folder, rules=folder / "rules.toml", **options) as running, running.client() as client:
        yield client


def put(client: httpx.Client, name: str, definition: dict[str, Any], **fields: Any) -> httpx.Response:
    return client.put(f"/api/v1/rules/{name}", json={"definition": definition, **fields})


def test_rules_are_listed_with_where_they_come_from(client: httpx.Client) -> None:
    rules = {rule["name"]: rule for rule in client.get("/api/v1/rules").json()["rules"]}
    assert rules["turning-point"]["origin"] == "default"
    assert rules["from-the-file"]["origin"] == "file"
    assert (rules["training-hangs"]["origin"], rules["training-hangs"]["enabled"]) == ("file", False)
    assert rules["from-the-file"]["definition"] == {"series": "b", "below": 0}


def test_every_change_of_a_rule_is_a_revision(client: httpx.Client) -> None:
    assert put(client, "one", HIGH, revision=0).json()["revision"] == 1
    assert put(client, "one", {**HIGH, "above": 6}).json()["revision"] == 2
    stale = put(client, "one", HIGH, revision=1)
    assert (stale.status_code, stale.json()["revision"], stale.json()["field"]) == (409, 2, "revision")
    assert client.delete("/api/v1/rules/one?revision=1").status_code == 409
    assert client.delete("/api/v1/rules/one?revision=2").status_code == 204
    assert client.get("/api/v1/rules/one").status_code == 404
    assert client.delete("/api/v1/rules/one").status_code == 404
    revisions = client.get("/api/v1/rules/one/revisions").json()["revisions"]
    assert [(each["revision"], each["definition"] and each["definition"]["above"]) for each in revisions] == [
        (3, None),
        (2, 6),
        (1, 5),
    ]
    assert put(client, "one", HIGH, revision=0).json()["revision"] == 4
    assert client.delete("/api/v1/rules/one").status_code == 204


def test_a_default_that_was_changed_comes_back_when_the_change_is_deleted(client: httpx.Client) -> None:
    changed = put(client, "lost-run", {"enabled": False}).json()
    assert (changed["origin"], changed["enabled"]) == ("http", False)
    assert client.delete("/api/v1/rules/lost-run").status_code == 204
    assert client.get("/api/v1/rules/lost-run").json()["origin"] == "default"


@pytest.mark.parametrize(
    ("name", "body", "status", "field"),
    [
        ("two", {"definition": {"series": "a"}}, 422, "definition"),
        ("two", {"definition": {**HIGH, "clear": 9}}, 422, "definition.clear"),
        ("two", {"definition": {**HIGH, "filter": "state="}}, 422, "definition.filter"),
        ("two", {"definition": {**HIGH, "filter": "nothing:3"}}, 422, "definition.filter"),
        ("two", {"definition": {**HIGH, "for": "9 parsecs"}}, 422, "definition.for"),
        ("two", {"definition": HIGH, "revision": 7}, 409, "revision"),
        ("two", {}, 422, "definition"),
        ("Two", {"definition": HIGH}, 422, "rule"),
        ("from-the-file", {"definition": HIGH}, 409, "rule"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_by_its_field(
    client: httpx.Client, name: str, body: dict[str, Any], status: int, field: str
) -> None:
    answer = client.put(f"/api/v1/rules/{name}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert answer.json()["detail"]


def deliver(client: httpx.Client, batch: Batch, run: str) -> None:
    assert send(client, run, batch).status_code == 200


def test_a_rule_made_over_http_fires_is_snoozed_and_told(client: httpx.Client, hook: Receiver) -> None:
    assert put(client, "high", HIGH).status_code == 200
    voice = Voice(run="watched").begin().log({"a": [1.0, 9.0]}, [1, 2], marks=[0, 0])
    deliver(client, voice.batch(), "watched")
    assert hook.has_received.wait(60)
    (alert,) = client.get("/api/v1/alerts?rule=high").json()["alerts"]
    assert (alert["state"], alert["severity"], alert["onset_step"]) == ("firing", "info", 2)
    assert client.get(f"/api/v1/alerts?notified_after={alert['notified'] - 1}").json()["alerts"] == [alert]
    assert client.get(f"/api/v1/alerts?notified_after={alert['notified']}").json()["alerts"] == []
    path = f"/api/v1/runs/watched/alerts/{alert['id']}"
    assert client.get(path).json() == alert
    asleep = client.post(f"{path}/snooze", json={"by": "ada", "seconds": 3600}).json()
    assert asleep["snoozed_by"] == "ada"
    assert [transition["state"] for transition in asleep["transitions"]] == ["firing", "snoozed"]
    awake = client.post(f"{path}/unsnooze", json={"by": "ada"}).json()
    assert (awake["snoozed_until"], awake["transitions"][-1]["state"]) == (None, "woken")
    for wrong in ({"by": "ada"}, {"by": "ada", "seconds": 9, "until": 9}, {"by": "ada", "seconds": 1e9}):
        assert client.post(f"{path}/snooze", json=wrong).json()["field"] == "until"
    hook.has_received.clear()
    assert client.delete("/api/v1/rules/high").status_code == 204
    assert hook.has_received.wait(60)
    over = client.get(path).json()
    assert (over["state"], over["transitions"][-1]["reason"]) == ("resolved", "the rule was deleted")
    assert client.post(f"{path}/snooze", json={"by": "ada", "seconds": 9}).status_code == 409


WHO = "by: who says so is needed, a text of 1 to 200 characters"
WHEN = "until: a time such as 2030-01-31T18:00:00Z, or Unix seconds, is needed"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, f"{WHO} and is missing; until: one of until and seconds is needed, and neither is given."),
        ({"by": "", "until": "soon"}, f"{WHO}, not ''; {WHEN}, not 'soon'."),
        (
            {"by": "ada", "seconds": -3, "untill": 9},
            "seconds: a number above 0 is needed, not -3; "
            "untill: there is no such field; there are by, until, seconds; leave it out.",
        ),
        (
            {"by": "ada", "seconds": 3, "until": 9},
            "until: one of until and seconds is needed, and both are given.",
        ),
        (
            {"by": "ada", "seconds": 3, "\ud800": 9},
            "?: there is no such field; there are by, until, seconds; leave it out.",
        ),
        ([], 'An object is needed, such as {"by": "ann", "seconds": 3600}.'),
    ],
)
def test_all_that_is_wrong_with_a_snooze_is_told_at_once(
    client: httpx.Client, wanted: Any, said: str
) -> None:
    answer = client.post(
        f"/api/v1/runs/r/alerts/{'0' * 32}/snooze",
        content=json.dumps(wanted),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["detail"]) == (422, said)


@pytest.mark.parametrize("until", ["2030-01-31T18:00:00Z", "2030-01-31T18:00", "2030-01-31T20:00:00+02:00"])
def test_a_snooze_may_end_at_a_time_of_any_zone_and_without_one_of_utc(until: str) -> None:
    assert Snooze.model_validate({"by": "ada", "until": until}).ends(0.0) == 1896112800.0
    assert Snooze.model_validate({"by": "ada", "until": 1896112800}).ends(0.0) == 1896112800.0


def test_a_channel_can_be_tried_and_says_what_waits(client: httpx.Client, hook: Receiver) -> None:
    (listed,) = client.get("/api/v1/channels").json()["channels"]
    assert (listed["name"], listed["waiting"]) == ("webhook", 0)
    assert client.post("/api/v1/channels/webhook/test").json() == {"name": "webhook", "delivered": True}
    assert b'"type":"test"' in hook.received[-1][1]
    hook.answers = [500]
    failed = client.post("/api/v1/channels/webhook/test")
    hook.answers = [200]
    assert (failed.status_code, failed.json()["detail"]) == (502, "the receiver answered 500")
    assert "hidden" not in failed.text
    unset, unknown = (client.post(f"/api/v1/channels/{name}/test") for name in ("slack", "pigeon"))
    assert (unset.status_code, unknown.status_code) == (404, 404)
    assert unset.json()["detail"] == "the channel slack is not configured: set GANWATCH_SLACK_URL"
    assert "there are webhook, slack, email, command" in unknown.json()["detail"]


def test_the_interface_describes_rules_with_their_keys(client: httpx.Client) -> None:
    described = client.get("/api/v1/openapi.json").json()
    assert (
        "`silent`"
        in described["components"]["schemas"]["RuleText"]["properties"]["definition"]["description"]
    )
    assert {"/api/v1/rules/{rule}", "/api/v1/channels/{channel}/test"} <= set(described["paths"])


def test_a_service_whose_rules_file_is_wrong_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[rules.x]\nseries = "a"\nabove = 1\nfilter = "state="\n')
    with (
        pytest.raises(Misuse, match=r"rules\.toml: .*filter"),
        run_service(tmp_path, rules=tmp_path / "rules.toml"),
    ):
        pass
