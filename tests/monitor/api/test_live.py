from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from monitor.api.broker import Broker
from monitor.api.live import MOST_STREAMS
from tests.monitor.api.batches import a_run, batch, points, send
from tests.monitor.api.running import TOKEN, Running, run_service


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """What an EventSource would dispatch, with the id it would remember."""
    event: dict[str, Any] = {}
    for line in lines:
        if not line:
            if "data" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value


@contextmanager
def listening(
    client: httpx.Client, last: str | None = None, **query: Any
) -> Iterator[Iterator[dict[str, Any]]]:
    headers = {"Last-Event-ID": last} if last else {}
    with client.stream("GET", "/api/v1/events", params=query, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        lines = answer.iter_lines()
        assert next(lines) == ": ganwatch"
        yield events(lines)


def test_an_ingested_batch_arrives_as_an_event(service: Running, client: httpx.Client) -> None:
    with service.client() as page, listening(page) as heard:
        a_run(client, "heard")
        event = next(heard)
    assert event["event"] == "run"
    assert event["data"]["run"] == "heard"
    assert event["data"]["version"] >= 1
    assert "points" in event["data"]["changed"]
    assert int(event["id"]) > 0


def test_a_page_hears_only_of_the_runs_it_shows(service: Running, client: httpx.Client) -> None:
    a_run(client, "shown")
    with service.client() as page, listening(page, run="shown") as heard:
        assert next(heard)["data"]["run"] == "shown"  # where it stands
        a_run(client, "not-shown")
        send(client, "shown", batch([points(6, [4.0])], first=6))
        assert next(heard)["data"]["run"] == "shown"


def test_a_page_that_opens_is_told_where_its_runs_stand(service: Running, client: httpx.Client) -> None:
    a_run(client, "standing")
    version = client.get("/api/v1/runs/standing").json()["version"]
    with service.client() as page, listening(page, run="standing") as heard:
        assert next(heard)["data"]["version"] == version


def test_a_page_that_comes_back_hears_what_it_missed(service: Running, client: httpx.Client) -> None:
    with service.client() as page:
        with listening(page) as heard:
            a_run(client, "before")
            last = next(heard)["id"]
        a_run(client, "missed-1")
        a_run(client, "missed-2")
        with listening(page, last=last) as heard:
            assert [next(heard)["data"]["run"] for _ in range(2)] == ["missed-1", "missed-2"]


def test_a_page_from_before_a_restart_is_told_of_every_run(tmp_path: Path) -> None:
    with run_service(tmp_path) as service, service.client() as client:
        with service.client() as page, listening(page) as heard:
            a_run(client, "old")
            last = next(heard)["id"]
        a_run(client, "unheard")
    with run_service(tmp_path) as service, service.client() as page, listening(page, last=last) as heard:
        told = [next(heard)["data"] for _ in range(2)]
        assert {event["run"] for event in told} == {"old", "unheard"}
        assert all(event["changed"] == ["alerts", "images", "points", "state"] for event in told)


def test_a_run_that_falls_silent_is_lost_and_the_page_hears_it(tmp_path: Path) -> None:
    with (
        run_service(tmp_path, lost_after=0.3) as service,
        service.client() as client,
        service.client() as page,
        listening(page) as heard,
    ):
        a_run(client, "silent")
        states = (event for event in heard if event["data"]["changed"] == ["state"])
        assert next(states)["data"]["run"] == "silent"
        assert client.get("/api/v1/runs/silent").json()["state"] == "lost"


def test_many_changes_of_one_run_are_told_as_one() -> None:
    import asyncio  # noqa: PLC0415

    async def scenario() -> None:
        broker = Broker(first=100)
        broker.start()
        page = broker.subscribe([], after=100)
        for version in range(1, 10_001):
            broker.publish("busy", version, frozenset({"points"}))
        broker.publish("quiet", 1, frozenset({"state"}))
        broker.publish("busy", 10_001, frozenset({"alerts"}))
        await asyncio.sleep(0)
        assert len(page.pending) == 2
        first, second = await page.next(), await page.next()
        assert first is not None
        assert second is not None
        assert (first.run, second.run, second.version) == ("quiet", "busy", 10_001)
        assert second.what == {"points", "alerts"}
        assert first.number < second.number == 100 + 10_002

    asyncio.run(scenario())


def test_pages_that_listen_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with run_service(tmp_path) as service:
        pages = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(3)]
        for page in pages:
            head = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
            page.sendall(head.encode())
            assert page.recv(65536).startswith(b"HTTP/1.1 200 ")
        service.server.should_exit = True
        stopped = threading.Thread(target=read_to_the_end, args=pages)
        stopped.start()
        stopped.join(4)
        assert not stopped.is_alive()
        for page in pages:
            page.close()


def test_of_pages_that_come_all_at_once_those_beyond_the_limit_are_told_so(tmp_path: Path) -> None:
    head = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    with run_service(tmp_path) as service, service.client() as client:
        pages = [
            socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(MOST_STREAMS + 5)
        ]
        for page in pages:
            page.sendall(head.encode())
        answers = Counter(page.recv(12) for page in pages)
        assert answers == {b"HTTP/1.1 200": MOST_STREAMS, b"HTTP/1.1 503": 5}
        a_run(client, "told")
        for page in pages:
            page.close()


def read_to_the_end(*connections: socket.socket) -> None:
    for connection in connections:
        while connection.recv(65536):
            pass


def test_a_page_that_stays_away_is_forgotten(service: Running, client: httpx.Client) -> None:
    broker = service.app.state.service.broker
    before = len(broker)
    with service.client() as page, listening(page):
        assert len(broker) == before + 1
    # The next answers come after the service has seen the stream close.
    for _ in range(200):
        client.get("/healthz")
        if len(broker) == before:
            break
    assert len(broker) == before
