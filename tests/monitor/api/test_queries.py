from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request

from monitor import protocol
from monitor.api.query import query_points
from monitor.app import create_app
from monitor.protocol import End
from monitor.settings import Settings
from monitor.store.plain import LONG
from tests.monitor.api.batches import a_run, batch, begin, points, send
from tests.monitor.api.running import TOKEN


def test_the_newest_runs_come_first_a_page_at_a_time(client: httpx.Client) -> None:
    names = [f"page-{i}" for i in range(5)]
    for name in names:
        a_run(client, name, project="pages")
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        following = f"&cursor={quote(cursor)}" if cursor else ""
        page = client.get(f"/api/v1/runs?project=pages&limit=2{following}").json()
        seen += [run["id"] for run in page["runs"]]
        cursor = page["next"]
    assert seen == names[::-1]
    assert cursor is None


@pytest.mark.parametrize("text", ["'--", "%", "_", "\\", "'; DROP TABLE run;", "\0", "🜁" * 100])
def test_what_is_searched_for_is_only_text(client: httpx.Client, text: str) -> None:
    a_run(client, "searched", project="searching", name="plain")
    found = client.get("/api/v1/runs", params={"q": text, "project": "searching"})
    assert found.status_code == 200
    assert found.json()["runs"] == []
    for name in ("project", "cursor"):
        assert client.get("/api/v1/runs", params={name: text}).status_code in {200, 400}
    assert client.get("/api/v1/runs", params={"q": "lai", "project": "searching"}).json()["runs"]


def test_a_query_is_answered_again_only_when_the_run_changed(client: httpx.Client) -> None:
    a_run(client, "tagged")
    for path in ("", "/series", "/points?name=loss/g", "/marks", "/images", "/commands"):
        address = f"/api/v1/runs/tagged{path}"
        first = client.get(address)
        tag = first.headers["etag"]
        again = client.get(address, headers={"If-None-Match": tag})
        assert again.status_code == 304, path
        assert again.content == b""
        assert again.headers["etag"] == tag
        assert client.get(address, headers={"If-None-Match": f'"other", {tag}'}).status_code == 304
        assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    send(client, "tagged", batch([points(6, [9.0])], first=6))
    assert client.get("/api/v1/runs/tagged", headers={"If-None-Match": tag}).status_code == 200


def test_a_large_answer_is_compressed(client: httpx.Client) -> None:
    a_run(client, "large", values=[0.1 * i for i in range(2000)])
    address = "/api/v1/runs/large/points?name=loss/g&buckets=2000"
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"].lower() == "accept-encoding"
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == packed.json()


def test_what_nobody_waits_for_any_more_is_not_drawn(tmp_path: Path) -> None:
    app = create_app(Settings(port=0, data_dir=tmp_path, token=TOKEN))

    async def is_gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def ask() -> None:
        request = Request({"type": "http", "method": "GET", "headers": []}, is_gone)
        # There is not even a database.
        await query_points("run", request, app.state.service, name=["loss/g"])

    with pytest.raises(ClientDisconnect):
        asyncio.run(ask())


def test_points_come_as_columns_with_every_spike(client: httpx.Client) -> None:
    values = [0.0] * 500
    values[321] = 1000.0
    a_run(client, "spiky", values=values)
    answer = client.get(
        "/api/v1/runs/spiky/points", params={"name": ["loss/g", "nothing"], "buckets": 20}
    ).json()
    assert answer["axis"] == "step"
    assert answer["unknown"] == ["nothing"]
    columns = answer["series"]["loss/g"]
    assert columns["kind"] == "scalar"
    assert columns["exact"] is False
    assert max(columns["max"]) == 1000.0
    assert sum(columns["count"]) == 500
    assert len({len(columns[name]) for name in ("step", "time", "min", "max", "mean", "last", "count")}) == 1


def test_series_are_asked_for_by_pattern_on_shared_buckets_and_by_cursor(client: httpx.Client) -> None:
    a_run(client, "asked", values=[1.0, 2.0])
    send(client, "asked", batch([points(5, [9.0], name="loss/d", step=2)], first=5))
    address = "/api/v1/runs/asked/points"
    answer = client.get(address, params={"match": "loss/*", "aligned": True, "buckets": 2}).json()
    assert answer["series"]["loss/g"]["last"] == [1.0, 2.0]
    assert answer["series"]["loss/d"]["last"] == [None, 9.0]
    assert (len(answer["from"]), len(answer["to"]), answer["damaged"]) == (2, 2, [])
    send(client, "asked", batch([points(6, [3.0], step=3)], first=6))
    news = client.get(address, params={"name": "loss/g", "since": answer["cursor"]}).json()
    assert (news["reset"], news["series"]["loss/g"]["last"]) == (False, [3.0])
    for wrong, field in (
        ({"name": "loss/g", "since": "x"}, "since"),
        ({"name": "loss/g", "axis": "epoch"}, "axis"),
        ({"name": "loss/g", "from": "nan"}, "from"),
        ({"match": "x" * 600}, "match.0"),
        ({"name": "loss/g", "buckets": 10_001}, "buckets"),
    ):
        refused = client.get(address, params=wrong)
        assert (refused.status_code in {400, 422}, refused.json()["field"]) == (True, field)


def test_runs_are_found_by_a_filter_and_a_mistake_is_pointed_at(client: httpx.Client) -> None:
    a_run(client, "filtered", project="filtering", tags=["gn"], config={"loss": "hinge", "lr": 2e-4})
    text = 'project:filtering tag:gn config.loss=hinge last("loss/*")>2.5 age>0s'
    (run,) = client.get("/api/v1/runs", params={"q": text}).json()["runs"]
    assert run["id"] == "filtered"
    refused = client.get("/api/v1/runs", params={"q": "tag:gn stat:running"})
    problem = refused.json()
    assert (refused.status_code, problem["type"], problem["field"]) == (422, "bad-filter", "q")
    assert (problem["column"], "stat" in problem["detail"]) == (8, True)


def test_a_run_can_be_renamed_tagged_noted_and_archived(client: httpx.Client) -> None:
    a_run(client, "changed", tags=["first"])
    before = client.get("/api/v1/runs/changed").json()
    change = {"name": "<b>bold</b>", "tags": ["a", "b"], "notes": "what a run\nit was", "archived": True}
    answer = client.patch("/api/v1/runs/changed", json=change).json()
    assert change.items() <= answer.items()
    assert answer["version"] == before["version"] + 1
    assert client.patch("/api/v1/runs/changed", json={}).json()["name"] == "<b>bold</b>"
    assert client.patch("/api/v1/runs/changed", json={"name": ""}).status_code == 422
    assert client.patch("/api/v1/runs/changed", json={"tags": [1]}).status_code == 422
    longest = "é" * LONG
    assert client.patch("/api/v1/runs/changed", json={"notes": longest}).json()["notes"] == longest
    assert client.patch("/api/v1/runs/changed", json={"notes": f"{longest}!"}).status_code == 422
    for archived, listed in (("true", True), ("false", False)):
        runs = client.get("/api/v1/runs", params={"archived": archived}).json()["runs"]
        assert ("changed" in [run["id"] for run in runs]) is listed


def test_a_deleted_run_is_gone(client: httpx.Client) -> None:
    a_run(client, "gone")
    assert client.delete("/api/v1/runs/gone").status_code == 204
    assert client.get("/api/v1/runs/gone").status_code == 404
    assert client.delete("/api/v1/runs/gone").status_code == 404


def test_a_run_begun_again_after_its_deletion_is_not_taken_for_the_old_one(client: httpx.Client) -> None:
    a_run(client, "twice")
    tag = client.get("/api/v1/runs/twice").headers["etag"]
    client.delete("/api/v1/runs/twice")
    a_run(client, "twice")
    assert client.get("/api/v1/runs/twice", headers={"If-None-Match": tag}).status_code == 200


def test_a_command_is_handed_to_the_run_until_it_acknowledges_it(client: httpx.Client) -> None:
    a_run(client, "commanded", commands=["stop"])
    issued = client.post(
        "/api/v1/runs/commanded/commands", json={"kind": "stop", "parameters": {"why": "enough"}}
    )
    assert issued.status_code == 201
    for _ in range(2):
        receipt = protocol.receipt_decoder.decode(send(client, "commanded", batch([], first=6)).content)
        (command,) = receipt.commands
        assert (command.id, command.kind, command.parameters) == (
            issued.json()["id"],
            "stop",
            {"why": "enough"},
        )
    done = protocol.Acknowledgement(
        sequence=6, time=1.0, command=command.id, outcome="done", detail="stopped"
    )
    receipt = protocol.receipt_decoder.decode(send(client, "commanded", batch([done], first=6)).content)
    assert receipt.commands == []
    (listed,) = client.get("/api/v1/runs/commanded/commands").json()["commands"]
    assert (listed["outcome"], listed["detail"]) == ("done", "stopped")


def test_a_command_that_the_run_did_not_allow_is_refused(client: httpx.Client) -> None:
    a_run(client, "free", commands=["rollback"])
    refused = client.post("/api/v1/runs/free/commands", json={"kind": "stop"})
    assert refused.status_code == 409
    assert refused.json()["type"] == "not-allowed"
    assert client.post("/api/v1/runs/free/commands", json={"kind": "explode"}).status_code == 422


def test_a_finished_run_says_so(client: httpx.Client) -> None:
    a_run(client, "ended")
    send(client, "ended", batch([End(sequence=6, time=1010.0, state="finished")], first=6))
    assert client.get("/api/v1/runs/ended").json()["state"] == "finished"


def test_batches_of_many_writers_at_once_all_arrive(client: httpx.Client) -> None:
    answers: list[int] = []

    def write(rank: int) -> None:
        for first in range(1, 6):
            record = begin(rank=rank) if first == 1 else points(first, [first * 10.0 + rank], step=first)
            sent = batch([record], first=first, writer=f"w{rank}")
            answers.append(send(client, "crowd", sent).status_code)

    write(0)
    threads = [threading.Thread(target=write, args=(rank,)) for rank in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 25
    names = ["loss/g", *(f"loss/g@{rank}" for rank in range(1, 5))]
    series = client.get("/api/v1/runs/crowd/points", params={"name": names}).json()["series"]
    for rank, name in enumerate(names):
        assert series[name]["last"] == [first * 10.0 + rank for first in range(2, 6)]


def test_the_description_holds_the_wire_and_refers_to_nothing_that_is_missing(client: httpx.Client) -> None:
    text = client.get("/api/v1/openapi.json").text
    document = json.loads(text)
    body = document["paths"]["/api/v1/runs/{run}/batches"]["post"]["requestBody"]["content"]
    for media_type in ("application/json", protocol.MEDIA_TYPE_MSGPACK):
        assert body[media_type]["schema"] == {"$ref": "#/components/schemas/Batch"}
    schemas = document["components"]["schemas"]
    assert {"Batch", "Begin", "Points", "Gap", "Receipt", "Command", "Problem"} <= set(schemas)
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["responses"]["default"], (method, path)
            assert operation["summary"], (method, path)


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()
