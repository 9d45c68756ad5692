from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from monitor import protocol
from monitor.protocol import Declare, Receipt
from tests.monitor.api.batches import MSGPACK, a_run, batch, begin, checksummed, points, send
from tests.monitor.api.running import TOKEN, Running, run_service

JSON = {"Content-Type": "application/json"}


def values_of(client: httpx.Client, run: str, name: str = "loss/g") -> list[Any]:
    answer = client.get(f"/api/v1/runs/{run}/points", params={"name": name})
    values: list[Any] = answer.json()["series"][name]["last"]
    return values


def test_a_batch_is_answered_in_its_own_format(client: httpx.Client) -> None:
    sent = batch([begin()])
    packed = send(client, "formats", sent)
    assert packed.headers["content-type"] == protocol.MEDIA_TYPE_MSGPACK
    assert protocol.receipt_decoder.decode(packed.content) == Receipt(high_water=1)
    plain = client.post("/api/v1/runs/formats-json/batches", content=msgspec.json.encode(sent), headers=JSON)
    assert plain.headers["content-type"] == "application/json"
    assert plain.json() == {"high_water": 1, "rejected": [], "commands": []}


def test_a_lost_reply_does_not_double_the_points(client: httpx.Client) -> None:
    sent = checksummed(batch([begin(), Declare(sequence=2, name="loss/g"), points(3, [1.0, 2.0])]))
    for _ in range(3):
        assert protocol.receipt_decoder.decode(send(client, "lost-reply", sent).content).high_water == 4
    assert values_of(client, "lost-reply") == [1.0, 2.0]


def test_a_hole_in_the_numbers_is_answered_with_what_is_expected(client: httpx.Client) -> None:
    a_run(client, "hole")
    answer = send(client, "hole", batch([points(9, [1.0])], first=9))
    assert answer.status_code == 409
    assert answer.json()["type"] == "gap"
    assert answer.json()["expected"] == 6


def test_other_content_under_known_numbers_is_refused(client: httpx.Client) -> None:
    send(client, "diverged", checksummed(batch([begin(), points(2, [1.0])])))
    answer = send(client, "diverged", checksummed(batch([begin(), points(2, [7.0])])))
    assert answer.status_code == 409
    assert answer.json()["type"] == "diverged"


def test_a_literal_nan_is_refused_with_the_remedy(client: httpx.Client) -> None:
    for literal in ("NaN", "Infinity", "-Infinity"):
        body = f'{{"writer": "w", "first": 1, "last": 1, "records": [{{"time": {literal}}}]}}'
        answer = client.post("/api/v1/runs/r/batches", content=body, headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["detail"].endswith(f'write it as the string "{literal}".'), answer.text


def test_of_a_key_that_comes_twice_the_last_counts(client: httpx.Client) -> None:
    body = b'{"writer": "x", "writer": "w1", "first": 9, "first": 1, "last": 0}'
    answer = client.post("/api/v1/runs/a-key-twice/batches", content=body, headers=JSON)
    assert answer.json()["high_water"] == 0


def test_nan_as_a_string_is_a_value(client: httpx.Client) -> None:
    body = {
        "writer": "w1",
        "first": 1,
        "last": 3,
        "records": [
            msgspec.to_builtins(begin()),
            {
                "type": "points",
                "names": ["loss/g"],
                "sequence": [2, 3],
                "step": [1, 2],
                "time": [1.0, 2.0],
                "values": [["NaN", "-Infinity"]],
            },
        ],
    }
    assert client.post("/api/v1/runs/strings/batches", json=body).json()["rejected"] == []
    assert values_of(client, "strings") == ["NaN", "-Infinity"]


def test_the_answer_names_the_field_at_fault(client: httpx.Client) -> None:
    for body, field in [
        ({"writer": "w", "first": 0, "last": 0}, "$.first"),
        ({"writer": "w", "first": 1, "last": 1, "records": [{"type": "end"}]}, "$.records[0]"),
        ({"writer": "w w", "first": 1, "last": 1}, "$.writer"),
        ({"writer": "w", "first": 1, "last": 1, "surprise": 1}, None),
    ]:
        answer = client.post("/api/v1/runs/r/batches", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        b'{"writer": "w", "first": 1, "last": 1, "records": ' + b"[" * 5_000_000,
        b'{"writer": "w", "first": 1, "last": 1, "records": [{"type": "begin", "config": {"a": '
        + b"[" * 5_000_000,
        b'{"a":' * 2_000_000,
        b"[" * 5_000_000,
    ],
    ids=["records", "config", "objects", "arrays"],
)
def test_json_nested_without_end_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/v1/runs/r/batches", content=body, headers=JSON)
    assert answer.status_code in {400, 422}
    assert client.get("/healthz").status_code == 200


def test_msgpack_nested_without_end_is_refused(client: httpx.Client) -> None:
    config = b"\x82\xa4type\xa5begin\xa6config\x81\xa1a" + b"\x91" * 1_000_000
    body = b"\x84\xa6writer\xa1w\xa5first\x01\xa4last\x01\xa7records\x91" + config
    assert client.post("/api/v1/runs/r/batches", content=body, headers=MSGPACK).status_code in {400, 422}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xc1", b"\xff\xfe", b'{"writer": "\xff"}', b"null", b'"\\ud800"']
)
@pytest.mark.parametrize("headers", [JSON, MSGPACK], ids=["json", "msgpack"])
def test_garbage_is_refused(client: httpx.Client, body: bytes, headers: dict[str, str]) -> None:
    answer = client.post("/api/v1/runs/r/batches", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br", "deflate", "gzip, gzip"])
def test_a_compressed_body_is_refused(client: httpx.Client, encoding: str) -> None:
    answer = client.post(
        "/api/v1/runs/r/batches", content=b"x", headers={**JSON, "Content-Encoding": encoding}
    )
    assert answer.status_code == 415
    assert answer.json()["type"] == "unsupported-encoding"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Running]:
    """A service that takes little and waits briefly."""
    with run_service(tmp_path, max_body=4096, body_timeout=0.5) as running:
        yield running


def raw_answer(service: Running, *parts: bytes) -> bytes:
    """What the service says to these bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


def request_head(*headers: str) -> bytes:
    lines = [
        "POST /api/v1/runs/r/batches HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_a_body_that_announces_too_much_is_refused_before_it_comes(small: Running) -> None:
    answer = raw_answer(small, request_head("Content-Length: 1000000000", "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"type":"too-large"' in answer
    assert b"100 Continue" not in answer


def test_a_body_in_pieces_is_refused_when_it_grows_too_large(small: Running) -> None:
    pieces = (b"1000\r\n" + b"[" * 4096 + b"\r\n") * 3
    answer = raw_answer(small, request_head("Transfer-Encoding: chunked"), pieces, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_sends_far_too_much_still_reads_why(small: Running) -> None:
    with small.client() as client:
        answer = client.post("/api/v1/runs/r/batches", content=b"[" * 20_000_000, headers=JSON)
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"
        assert client.get("/healthz").status_code == 200


def test_a_body_that_trickles_is_given_up(small: Running) -> None:
    began = time.monotonic()
    answer = raw_answer(small, request_head("Content-Length: 4000"), b"[")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 15


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_no_trace(
    small: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", small.port), timeout=20) as connection:
        connection.sendall(request_head("Content-Length: 4000") + b"[")
    with small.client() as client:
        assert client.get("/api/v1/runs").json()["runs"] == []
    assert not caplog.records


def test_a_full_disk_refuses_batches_and_still_reads(tmp_path: Path) -> None:
    """SQLite's own limit on pages stands in for the disk."""
    with run_service(tmp_path) as service, service.client() as client:
        a_run(client, "full")
        engine = service.app.state.service.database.engine
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        from sqlalchemy import event  # noqa: PLC0415

        def limit(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        event.listen(engine, "checkout", limit)
        first, refused = 6, None
        for _ in range(200):
            refused = send(client, "full", batch([points(first, [0.5] * 2000, step=first)], first=first))
            if refused.status_code != 200:
                break
            first += 2000
        assert refused is not None
        assert refused.status_code == 507
        assert refused.json()["type"] == "disk-full"
        assert values_of(client, "full")[:3] == [1.0, 2.0, 3.0]
        event.remove(engine, "checkout", limit)
        engine.dispose()
        again = send(client, "full", batch([points(first, [0.5] * 2000, step=first)], first=first))
        assert again.status_code == 200


def test_a_heartbeat_is_answered(client: httpx.Client) -> None:
    a_run(client, "beating")
    answer = protocol.receipt_decoder.decode(send(client, "beating", batch([], first=6)).content)
    assert answer.high_water == 5


def test_the_service_counts_what_it_took_and_refused(tmp_path: Path) -> None:
    with run_service(tmp_path) as service, service.client() as client:
        a_run(client, "counted", values=[1.0, 2.0, 3.0])
        client.post("/api/v1/runs/counted/batches", content=b"{", headers=JSON)
        text = client.get("/metrics").text
        assert "ganwatch_ingest_batches_total 1\n" in text
        assert "ganwatch_ingest_points_total 3\n" in text
        assert 'ganwatch_ingest_refused_total{reason="malformed"} 1\n' in text
        assert 'ganwatch_runs{state="running"} 1\n' in text
        assert "ganwatch_outbox_pending 0\n" in text


def test_a_name_of_any_kind_comes_back_as_it_was(client: httpx.Client) -> None:
    names = [
        "loss/../g",
        "%2e%2e",
        "a;b?c#d",
        "back\\slash",
        "〱",
        "\u202eevil",
        "<img src=x>",
        "=cmd|' /C calc'!A0",
    ]
    records: list[protocol.Record] = [
        begin(),
        *(points(2 + i, [float(i)], name=name) for i, name in enumerate(names)),
    ]
    assert send(client, "names", batch(records)).status_code == 200
    answer = client.get("/api/v1/runs/names/points", params={"name": names}).json()
    assert answer["unknown"] == []
    assert [answer["series"][name]["last"] for name in names] == [[float(i)] for i in range(len(names))]
    listed = json.loads(client.get("/api/v1/runs/names/series").text)["series"]
    assert [series["name"] for series in listed] == names
