"""From the batches of a training to the webhook and the alert's page, through the real service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.protocol import Batch
from tests.monitor.alerts.receiver import Receiver, receiver
from tests.monitor.alerts.streaming import STEPS, Training
from tests.monitor.api.batches import send
from tests.monitor.api.running import run_service
from tests.monitor.detection.training import natural_collapse, training


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


@pytest.fixture(scope="module")
def client(hook: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    options: dict[str, Any] = {"webhook_url": hook.url, "webhook_secret": "key"}
    options["webhook_allow_private"] = True
    with run_service(tmp_path_factory.mktemp("service"), **options) as running, running.client() as client:
        yield client


@pytest.fixture(scope="module")
def alert(client: httpx.Client, hook: Receiver) -> dict[str, object]:
    """The alert of a training that collapsed, once the webhook has heard of it."""

    def deliver(batch: Batch, _: float) -> None:
        assert send(client, "collapsed", batch).status_code == 200

    Training(deliver, "collapsed").epochs(training(70, 1, natural_collapse(50)))
    assert hook.has_received.wait(60)
    (alert,) = client.get("/api/v1/runs/collapsed/alerts").json()["alerts"]
    return alert  # type: ignore[no-any-return]


def test_a_collapse_is_told_to_the_webhook_and_listed(alert: dict[str, object], hook: Receiver) -> None:
    assert (alert["rule"], alert["state"]) == ("turning-point", "firing")
    assert alert["onset_step"] == 51 * STEPS
    assert len(hook.received) == 1
    assert str(alert["id"]).encode() in hook.received[0][1]


def test_alerts_are_listed_by_state_and_by_run(alert: dict[str, object], client: httpx.Client) -> None:
    def listed(**query: str) -> list[str]:
        return [entry["id"] for entry in client.get("/api/v1/alerts", params=query).json()["alerts"]]

    assert listed() == listed(state="firing") == listed(run="collapsed") == [alert["id"]]
    assert listed(state="pending") == listed(run="another") == []


def test_the_run_counts_its_alerts(alert: dict[str, object], client: httpx.Client) -> None:
    assert client.get("/api/v1/runs/collapsed").json()["alerts"]["firing"] == 1


def test_acknowledging_says_who_and_the_first_stays(alert: dict[str, object], client: httpx.Client) -> None:
    path = f"/api/v1/runs/collapsed/alerts/{alert['id']}/acknowledge"
    version = client.get("/api/v1/runs/collapsed").json()["version"]
    seen = client.post(path, json={"by": "ada"}).json()
    assert (seen["state"], seen["acknowledged_by"]) == ("firing", "ada")
    assert client.post(path, json={"by": "bob"}).json()["acknowledged_by"] == "ada"
    assert client.get("/api/v1/runs/collapsed").json()["version"] == version + 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/runs/nobody/alerts", None, 404),
        ("GET", "/api/v1/alerts?state=burning", None, 422),
        ("POST", f"/api/v1/runs/collapsed/alerts/{'0' * 32}/acknowledge", {"by": "ada"}, 404),
        ("POST", f"/api/v1/runs/another/alerts/{'0' * 32}/acknowledge", {"by": "ada"}, 404),
        ("POST", "/api/v1/runs/collapsed/alerts/no-id/acknowledge", {"by": "ada"}, 422),
        ("POST", f"/api/v1/runs/collapsed/alerts/{'0' * 32}/acknowledge", {"by": ""}, 422),
        ("POST", f"/api/v1/runs/collapsed/alerts/{'0' * 32}/acknowledge", {}, 422),
    ],
)
def test_what_cannot_be_done_is_said_in_the_one_shape(
    method: str, path: str, body: object, status: int, client: httpx.Client
) -> None:
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert {"type", "title", "detail", "status", "field"} <= set(answer.json())


def test_a_service_that_is_started_again_tells_nothing_twice(tmp_path: Path) -> None:
    with receiver() as there:
        options: dict[str, Any] = {"webhook_url": there.url, "webhook_allow_private": True}
        with run_service(tmp_path, **options) as running, running.client() as client:
            run = Training(lambda batch, _: send(client, "run", batch), "run")
            run.epochs(training(70, 1, natural_collapse(50)))
            assert there.has_received.wait(60)
        with run_service(tmp_path, **options) as running, running.client() as client:
            (alert,) = client.get("/api/v1/alerts").json()["alerts"]
        assert alert["state"] == "firing"
        assert len(there.received) == 1
