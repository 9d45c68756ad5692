"""Several real server processes on one PostgreSQL database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.engine import make_url

from monitor import protocol
from monitor.store.database import Database
from monitor.store.line import Line
from tests.monitor.alerts.receiver import Receiver, receiver
from tests.monitor.alerts.streaming import Training
from tests.monitor.alerts.test_judging import COLLAPSING
from tests.monitor.api.batches import a_run, batch, points, send
from tests.monitor.api.running import TOKEN
from tests.monitor.api.test_live import listening
from tests.monitor.test_cli import environment

pytestmark = pytest.mark.postgres


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def server(tmp_path: Path, database: str, **settings: str) -> Iterator[Server]:
    command = [
        sys.executable,
        "-m",
        "monitor.cli",
        "serve",
        "--port",
        "0",
        "--database",
        database,
        "--no-open",
    ]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(GANWATCH_TOKEN=TOKEN, **settings),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            link = process.stdout.readline().split()[-1]
            yield Server(process, f"http://{urlsplit(link).netloc}")
        finally:
            process.kill()


def deliver_to(client: httpx.Client, run: str = "run") -> Training:
    def deliver(sent: protocol.Batch, _now: float) -> None:
        answer = send(client, run, sent)
        assert answer.status_code == 200, answer.text

    return Training(deliver, run)


def wait_for(hook: Receiver, count: int, client: httpx.Client) -> None:
    """Until so many are delivered and booked: a server killed between the two would deliver again."""
    patience = threading.Event()
    for _ in range(1000):
        if len(hook.received) >= count and "\nganwatch_outbox_pending 0\n" in client.get("/metrics").text:
            return
        patience.wait(0.03)
    raise AssertionError(f"{len(hook.received)} of {count} deliveries")


def test_a_page_hears_what_another_server_took_in(tmp_path: Path, postgres_url: str) -> None:
    with (
        server(tmp_path, postgres_url) as one,
        server(tmp_path, postgres_url) as other,
        one.client() as to_one,
        other.client() as to_other,
        one.client() as page_of_one,
        other.client() as page_of_other,
        listening(page_of_one) as heard_at_one,
        listening(page_of_other) as heard_at_other,
    ):
        a_run(to_one, "shared")
        assert next(heard_at_one)["data"]["run"] == "shared"
        event = next(heard_at_other)["data"]
        assert event["run"] == "shared"
        assert "points" in event["changed"]
        # A training whose server is gone goes on with the other one.
        assert send(to_other, "shared", batch([points(6, [4.0], step=4)], first=6)).status_code == 200
        assert next(heard_at_one)["data"]["version"] > event["version"]
        shown = to_one.get("/api/v1/runs/shared/points?name=loss/g").json()["series"]["loss/g"]
        assert shown["last"] == [1.0, 2.0, 3.0, 4.0]
        assert to_other.patch("/api/v1/runs/shared", json={"notes": "seen"}).status_code == 200
        assert any(event["data"]["changed"] == ["state"] for event in heard_at_one)


def test_a_line_that_is_cut_without_a_word_is_found_out(postgres_url: str) -> None:
    for url, idle in ((postgres_url, "15"), (with_query(postgres_url, keepalives_idle="99"), "99")):
        database = Database(url)
        database.migrate()
        line = Line(database)
        try:
            asked = line._connection.info.get_parameters()
            assert (asked["keepalives_idle"], asked["keepalives_count"]) == (idle, "3")
        finally:
            line.close()
            database.close()


def with_query(url: str, **query: str) -> str:
    return make_url(url).update_query_dict(query).render_as_string(hide_password=False)


def test_a_page_that_comes_to_another_server_is_told_how_things_stand(
    tmp_path: Path, postgres_url: str
) -> None:
    with server(tmp_path, postgres_url) as one, server(tmp_path, postgres_url) as other:
        with one.client() as client, one.client() as page, listening(page) as heard:
            a_run(client, "moved")
            last = next(heard)["id"]
        with other.client() as page, listening(page, last=last) as heard:
            assert next(heard)["data"]["changed"] == ["alerts", "images", "points", "state"]


def test_alerts_are_sent_once_and_survive_the_server_that_judged(tmp_path: Path, postgres_url: str) -> None:
    with receiver() as hook:
        settings = {
            "GANWATCH_WEBHOOK_URL": hook.url,
            "GANWATCH_WEBHOOK_ALLOW_PRIVATE": "true",
            "GANWATCH_LOST_AFTER": "86400",
        }
        with (
            server(tmp_path, postgres_url, **settings) as leader,
            server(tmp_path, postgres_url, **settings) as other,
            other.client() as client,
        ):
            # Taken in by the one, judged and told by the other.
            deliver_to(client, "first").epochs(COLLAPSING)
            wait_for(hook, 1, client)
            leader.kill()
            deliver_to(client, "second").epochs(COLLAPSING)
            wait_for(hook, 2, client)
            assert client.get("/api/v1/runs/second").json()["alerts"]["firing"] == 1
        told = Counter(json.loads(body)["alert"]["run"] for _, body in hook.received)
        assert told == {"first": 1, "second": 1}
        assert len({headers["Ganwatch-Event-Id"] for headers, _ in hook.received}) == 2
