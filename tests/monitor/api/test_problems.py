from __future__ import annotations

import json
import logging
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from tests.monitor.api.batches import a_run
from tests.monitor.api.running import Running, run_service
from tests.monitor.api.test_gate import routes

SHAPE = {"type", "title", "detail", "status", "field"}


def assert_one_shape(answer: httpx.Response) -> None:
    problem = answer.json()
    assert set(problem) >= SHAPE, problem
    assert problem["status"] == answer.status_code
    assert all(isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail"))
    assert problem["field"] is None or isinstance(problem["field"], str)
    assert answer.headers["content-type"] == "application/json"


def test_every_route_has_one_shape_of_error(service: Running, client: httpx.Client) -> None:
    for method, path in sorted(routes(service)):
        assert_one_shape(client.request("BREW", path))
        if path.startswith("/api/v1/runs/"):
            answer = client.request(method, path, content=b"not what is expected")
            assert 400 <= answer.status_code < 500, (method, path)
            assert_one_shape(answer)
        if "some-run" in path and path.startswith("/api/"):
            assert_one_shape(client.request(method, path.replace("some-run", "%2e%2e")))


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/nothing", 404, ("not-found", None)),
        ("GET", "/api/v1/nothing", 404, ("not-found", None)),
        ("GET", "/static/nothing.js", 404, ("not-found", None)),
        ("POST", "/static/index.html", 405, ("method-not-allowed", None)),
        ("DELETE", "/api/v1/runs", 405, ("method-not-allowed", None)),
        ("POST", "/", 405, ("method-not-allowed", None)),
        ("GET", "/api/v1/runs/unknown", 404, ("unknown-run", None)),
        ("GET", "/api/v1/runs/unknown/series", 404, ("unknown-run", None)),
        ("GET", "/api/v1/runs/unknown/points?name=a", 404, ("unknown-run", None)),
        ("GET", "/api/v1/runs/unknown/images", 404, ("unknown-run", None)),
        ("DELETE", "/api/v1/runs/unknown", 404, ("unknown-run", None)),
        ("GET", "/api/v1/runs/-bad-", 422, ("invalid", "run")),
        ("GET", "/api/v1/runs?limit=0", 422, ("invalid", "limit")),
        ("GET", "/api/v1/runs?limit=many", 422, ("invalid", "limit")),
        ("GET", "/api/v1/runs?state=asleep", 422, ("invalid", "state")),
        ("GET", "/api/v1/runs/r/points", 422, ("invalid", "name")),
        ("GET", "/api/v1/runs/r/points?name=a&axis=depth", 422, ("invalid", "axis")),
        ("GET", "/api/v1/runs/r/points?name=a&from=NaN", 422, ("invalid", "from")),
        ("GET", "/api/v1/events?run=-bad-", 422, ("invalid", "run.0")),
    ],
)
def test_what_cannot_be_answered_says_why(
    client: httpx.Client, method: str, path: str, status: int, expected: tuple[str, str | None]
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status, answer.text
    assert_one_shape(answer)
    assert (answer.json()["type"], answer.json()["field"]) == expected


def test_a_body_that_is_no_json_says_so(client: httpx.Client) -> None:
    a_run(client, "bodied")
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"\xff", b"[" * 100_000, b'{"name": NaN}'):
        answer = client.patch("/api/v1/runs/bodied", content=body, headers=headers)
        assert answer.status_code in {400, 422}, answer.text
        assert_one_shape(answer)
    answer = client.patch("/api/v1/runs/bodied", json={"nmae": "x"})
    assert answer.status_code == 422
    assert answer.json()["field"] == "nmae"


def test_a_failure_of_our_own_shows_nothing_of_the_inside(
    service: Running, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("the inside")

    route = Route("/fails", fail)
    service.app.router.routes.insert(0, route)
    try:
        with caplog.at_level(logging.CRITICAL):
            answer = client.get("/fails")
    finally:
        service.app.router.routes.remove(route)
    assert answer.status_code == 500
    assert_one_shape(answer)
    assert answer.json()["type"] == "internal"
    assert "inside" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_database_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    with run_service(tmp_path) as service, service.client() as client:
        a_run(client, "whole")
    path = tmp_path / "ganwatch.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'series'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with run_service(tmp_path) as service, service.client() as client:
        answer = client.get("/api/v1/runs/whole/series")
        assert (answer.status_code, answer.json()["type"]) == (503, "database-damaged")
        assert_one_shape(answer)
        assert "ganwatch doctor" in answer.json()["detail"]
        assert client.get("/api/v1/runs/whole/marks").status_code == 200


def test_what_is_no_http_is_answered_in_the_same_shape(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head.lower()
    assert (json.loads(body)["type"], json.loads(body)["status"]) == ("malformed", 400)


def test_a_person_at_a_wrong_address_sees_a_page_with_a_way_back(client: httpx.Client) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = client.get("/no<such>", headers=browser)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert '<a href="/">' in page.text
    assert "such" not in page.text
    assert_one_shape(client.get("/api/v1/nothing", headers=browser))


def test_one_connection_too_many_is_answered_in_the_same_shape(tmp_path: Path) -> None:
    with run_service(tmp_path, most_connections=2) as service:
        held = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(2)]
        with service.client() as client:
            refused = client.get("/healthz")
        assert refused.status_code == 503
        assert_one_shape(refused)
        assert refused.json()["type"] == "too-many-connections"
        for connection in held:
            connection.close()
        assert answers_again(service)


def answers_again(service: Running) -> bool:
    """Once the server has seen the others close."""
    for _ in range(200):
        with service.client() as client:
            if client.get("/healthz").status_code == 200:
                return True
    return False
