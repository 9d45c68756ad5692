from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.routing import Mount

from monitor.api.auth import GUESS_WINDOW, MOST_GUESSES, SESSION_SECONDS
from monitor.api.gate import PUBLIC, local_path
from monitor.api.pages import MOST_OF_A_FORM
from tests.monitor.api.batches import a_run
from tests.monitor.api.running import TOKEN, Running, run_service

FILLED_IN = {"run": "some-run", "digest": "0" * 64, "alert": "some-alert", "path": "js/main.js"}


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


def routes(service: Running) -> Iterator[tuple[str, str]]:
    for context in iter_route_contexts(service.app.routes):
        path = context.path
        assert path is not None
        if isinstance(context.route, Mount):
            yield "GET", f"{path}/js/main.js"
            continue
        filled = re.sub(r"{(\w+)(:\w+)?}", lambda match: FILLED_IN.get(match[1], "x"), path)
        for method in context.methods or {"GET"}:
            yield method, filled


@pytest.fixture
def browser(service: Running) -> Iterator[httpx.Client]:
    """A browser that opened the printed link."""
    with service.client(token=None) as client:
        assert client.get("/", params={"token": TOKEN}).status_code == 303
        yield client


@pytest.fixture
def service_with_clock(tmp_path: Path) -> Iterator[tuple[Running, Hands]]:
    clock = Hands()
    with run_service(tmp_path, clock=clock) as running:
        yield running, clock


def test_every_route_needs_a_token_unless_it_is_on_the_public_list(
    service: Running, stranger: httpx.Client
) -> None:
    found = set(routes(service))
    assert len(found) > 20
    assert found >= PUBLIC
    for method, path in sorted(found - PUBLIC):
        answer = stranger.request(method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.json()["type"] == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert stranger.get("/healthz").status_code == 200
    assert stranger.get("/readyz").status_code == 200


def test_the_public_list_holds_health_and_the_login_alone() -> None:
    assert sorted(PUBLIC) == [("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/login")]


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/nothing", "/docs", "/openapi.json", "/static/../app.py"]
)
def test_a_stranger_does_not_learn_which_addresses_exist(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer wrong-but-long-enough",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer",
    ],
)
def test_only_the_token_itself_opens(
    tmp_path_factory: pytest.TempPathFactory, service: Running, authorization: str
) -> None:
    with service.client(token=None) as client:
        answer = client.get("/api/v1/runs", headers={"Authorization": authorization})
    assert answer.status_code == 401


def test_the_link_gives_a_session_and_takes_the_token_out_of_the_address(
    service: Running, stranger: httpx.Client
) -> None:
    answer = stranger.get("/compare", params={"run": ["a", "b & c"], "token": TOKEN})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/compare?run=a&run=b+%26+c"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    page = stranger.get(answer.headers["location"])
    assert page.status_code == 200
    assert "<title>ganwatch</title>" in page.text


def test_a_session_ends_after_its_time(service_with_clock: tuple[Running, Hands]) -> None:
    service, clock = service_with_clock
    with service.client(token=None) as browser:
        browser.get("/", params={"token": TOKEN})
        clock.time += SESSION_SECONDS - 1
        assert browser.get("/api/v1/runs").status_code == 200
        clock.time += 2
        assert browser.get("/api/v1/runs").status_code == 401


def test_another_token_ends_all_sessions(tmp_path: Path, browser: httpx.Client, service: Running) -> None:
    session = dict(browser.cookies)
    with (
        run_service(tmp_path, token="another-token-altogether") as other,
        other.client(token=None, cookies=session) as client,
    ):
        assert client.get("/api/v1/runs").status_code == 401


@pytest.mark.parametrize(
    "session", ["", ".", "9999999999.", "9999999999.AAAA", "x.y", "1.é", "9" * 5000 + ".a"]
)
def test_a_made_up_session_does_not_open(service: Running, session: str) -> None:
    with service.client(token=None) as client:
        header = f"{service.app.state.service.access.cookie}={session}".encode()
        assert client.get("/api/v1/runs", headers={b"Cookie": header}).status_code == 401


def test_a_browser_without_a_session_is_told_what_to_do(stranger: httpx.Client) -> None:
    page = stranger.get("/runs/some-run?tab=images", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert page.headers["content-type"].startswith("text/html")
    assert "ganwatch token" in page.text
    assert 'action="/login"' in page.text
    assert 'value="/runs/some-run?tab=images"' in page.text
    assert "refresh" not in page.text


def test_the_page_for_strangers_shows_what_they_sent_as_text(stranger: httpx.Client) -> None:
    page = stranger.get('/runs/"><script>alert(1)</script>?a="><b>', headers={"Accept": "text/html"})
    assert "<script" not in page.text
    assert "<b>" not in page.text


def test_a_link_on_another_site_leads_in_through_a_request_of_our_own(
    stranger: httpx.Client, browser: httpx.Client
) -> None:
    """A strict cookie is kept back when another site leads here, so the answer asks once more by itself."""
    page = stranger.get("/runs/x", headers={"Accept": "text/html", "Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 401
    assert '<meta http-equiv="refresh" content="0">' in page.text


def test_the_form_takes_the_token_and_leads_on(stranger: httpx.Client) -> None:
    answer = stranger.post("/login", data={"token": f" {TOKEN}\n", "next": "/runs/some-run?tab=images"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs/some-run?tab=images"
    assert stranger.get("/api/v1/runs").status_code == 200


def test_the_form_with_a_wrong_token_says_so_and_stays(stranger: httpx.Client) -> None:
    answer = stranger.post("/login", data={"token": "not-the-token", "next": "/compare"})
    assert answer.status_code == 401
    assert "The token is wrong" in answer.text
    assert 'value="/compare"' in answer.text


def test_the_form_takes_no_more_than_a_form(stranger: httpx.Client) -> None:
    many = stranger.post("/login", data={f"field{i}": "x" for i in range(9)})
    assert (many.status_code, many.json()["type"]) == (400, "malformed")
    long = stranger.post("/login", data={"token": "x" * MOST_OF_A_FORM})
    assert (long.status_code, long.json()["type"]) == (413, "too-large")


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "",
        "evil",
        "/\t/evil.example",
        "/\n//evil.example",
    ],
)
def test_nobody_is_led_elsewhere(target: str) -> None:
    assert local_path(target) == "/"


def test_too_many_different_wrong_tokens_are_refused_for_a_minute(
    service_with_clock: tuple[Running, Hands],
) -> None:
    service, clock = service_with_clock
    with service.client(token=None) as browser, service.client(token=None) as guesser:
        browser.get("/", params={"token": TOKEN})
        for guess in range(MOST_GUESSES):
            wrong = guesser.get("/api/v1/runs", headers={"Authorization": f"Bearer guess-{guess}"})
            assert wrong.status_code == 401
        refused = guesser.get("/api/v1/runs", headers={"Authorization": f"Bearer {TOKEN}"})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "60"
        assert guesser.get("/", params={"token": TOKEN}).status_code == 429
        assert guesser.post("/login", data={"token": TOKEN}).status_code == 429
        assert browser.get("/api/v1/runs").status_code == 200  # a session is no guess
        clock.time += GUESS_WINDOW + 1
        assert guesser.get("/api/v1/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_clock_that_is_set_back_locks_nobody_out(service_with_clock: tuple[Running, Hands]) -> None:
    service, clock = service_with_clock
    with service.client(token=None) as client:
        for guess in range(MOST_GUESSES):
            client.get("/api/v1/runs", headers={"Authorization": f"Bearer guess-{guess}"})
        clock.time -= 24 * 3600
        assert client.get("/api/v1/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_process_that_is_traced_keeps_the_token_to_itself(service: Running) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = service.app._telemetry
    telemetry["tracer_provider"] = provider
    try:
        with service.client(token=None) as browser:
            browser.get("/", params={"token": TOKEN})
            # A span ends a moment after its answer.
            for _ in range(200):
                browser.get("/alerts")
                written = "".join(span.to_json() for span in spans.get_finished_spans())
                if "/alerts" in written:
                    break
    finally:
        telemetry["tracer_provider"] = None
    assert "/alerts" in written
    assert TOKEN not in written


def test_another_page_cannot_use_up_the_guesses(service_with_clock: tuple[Running, Hands]) -> None:
    service, _ = service_with_clock
    with service.client(token=None) as browser, service.client() as client:
        for guess in range(2 * MOST_GUESSES):
            headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
            refused = browser.get("/", params={"token": f"guess-{guess}"}, headers=headers)
            assert refused.status_code == 403
        assert client.get("/api/v1/runs").status_code == 200


def test_a_client_left_with_an_old_token_locks_nobody_out(
    service_with_clock: tuple[Running, Hands],
) -> None:
    service, _ = service_with_clock
    with service.client(token="the-token-of-last-week") as left_behind, service.client() as client:
        for _ in range(3 * MOST_GUESSES):
            assert left_behind.get("/api/v1/runs").status_code == 401
        assert client.get("/api/v1/runs").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1",
        "8.8.8.8",
        "",
    ],
)
def test_a_name_that_is_not_ours_is_refused(client: httpx.Client, host: str) -> None:
    answer = client.get("/healthz", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "unknown-host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8765", "[::1]:8765", "localhost."])
def test_the_names_of_this_machine_are_ours(client: httpx.Client, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_further_names_are_ours_when_they_are_set(tmp_path: Path) -> None:
    with run_service(tmp_path, allowed_hosts="gan.example, server") as service, service.client() as client:
        assert client.get("/api/v1/runs", headers={"Host": "Server:8765"}).status_code == 200
        assert client.get("/api/v1/runs", headers={"Host": "gan.example"}).status_code == 200
        assert client.get("/api/v1/runs", headers={"Host": "other.example"}).status_code == 421


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_page_cannot_use_the_session_to_change_anything(
    client: httpx.Client, browser: httpx.Client, headers: dict[str, str]
) -> None:
    a_run(client, "kept")
    for method, path in [
        ("DELETE", "/api/v1/runs/kept"),
        ("PATCH", "/api/v1/runs/kept"),
        ("POST", "/api/v1/runs/kept/commands"),
        ("POST", "/api/v1/runs/kept/batches"),
        ("PUT", f"/api/v1/runs/kept/images/{'0' * 64}"),
    ]:
        answer = browser.request(method, path, headers=headers)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["type"] == "cross-origin"
    assert client.get("/api/v1/runs/kept").status_code == 200


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_page_cannot_listen_to_the_events(browser: httpx.Client, headers: dict[str, str]) -> None:
    assert browser.get("/api/v1/events", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_page_cannot_log_a_browser_in(stranger: httpx.Client, headers: dict[str, str]) -> None:
    assert stranger.post("/login", data={"token": TOKEN}, headers=headers).status_code == 403


def test_our_own_page_may_change_things(
    client: httpx.Client, browser: httpx.Client, service: Running
) -> None:
    a_run(client, "renamed")
    answer = browser.patch(
        "/api/v1/runs/renamed",
        json={"name": "second light"},
        headers={"Origin": service.url, "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 200
    assert answer.json()["name"] == "second light"


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_what_a_form_can_send_is_not_taken_as_a_batch(client: httpx.Client, media_type: str) -> None:
    answer = client.post("/api/v1/runs/r/batches", content=b"{}", headers={"Content-Type": media_type})
    assert answer.status_code == 415


def test_no_other_origin_is_ever_granted_anything(client: httpx.Client, stranger: httpx.Client) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for sender in (client, stranger):
        answers = [sender.options("/api/v1/runs", headers=asked), sender.get("/api/v1/runs", headers=asked)]
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/runs", "/nothing", "/static/index.html"])
def test_every_answer_carries_the_security_headers(
    client: httpx.Client, stranger: httpx.Client, path: str
) -> None:
    for sender in (client, stranger):
        headers = sender.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
