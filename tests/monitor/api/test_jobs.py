from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.monitor.api.running import Running
from tests.monitor.api.test_problems import assert_one_shape

NOBODY = "0" * 16


def submitted(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/jobs", json={"recipe": "digits-gn", **fields})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def claimed(client: httpx.Client, worker: str = "w") -> dict[str, Any]:
    answer = client.post("/api/v1/jobs/claim", json={"worker": worker})
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    return job


def said(client: httpx.Client, job: dict[str, Any], what: str, **fields: Any) -> httpx.Response:
    return client.post(f"/api/v1/jobs/{job['id']}/{what}", json={"lease": job["lease"], **fields})


def test_a_job_goes_from_the_queue_through_a_worker_to_its_end(client: httpx.Client) -> None:
    assert client.post("/api/v1/jobs/claim", json={"worker": "w"}).status_code == 204
    job = submitted(client, overrides={"epochs": 2}, project="api")
    taken = claimed(client, "gpu-7")
    assert (taken["id"], taken["overrides"], taken["lease_seconds"]) == (job["id"], {"epochs": 2}, 60)
    assert said(client, taken, "heartbeat").json()["cancel"] is False
    assert client.post(f"/api/v1/jobs/{job['id']}/cancel").json()["cancelling"] is True
    assert said(client, taken, "heartbeat").json()["cancel"] is True
    ended = said(client, taken, "finish", outcome="cancelled", message="at step 9")
    assert ended.json()["state"] == "cancelled"
    shown = client.get(f"/api/v1/jobs/{job['id']}").json()
    assert (shown["state"], shown["message"], shown["worker"]) == ("cancelled", "at step 9", "gpu-7")
    listed = client.get("/api/v1/jobs", params={"project": "api", "state": "cancelled"}).json()["jobs"]
    assert listed == [shown]
    assert "lease" not in shown


def test_what_is_no_job_says_which_part(client: httpx.Client) -> None:
    for body, field in (
        ({}, "recipe"),
        ({"recipe": "../etc"}, "recipe"),
        ({"recipe": "x" * 48}, "recipe"),
        ({"recipe": "r", "overrides": [1]}, "overrides"),
        ({"recipe": "r", "priority": 2**40}, "priority"),
        ({"recipe": "r", "project": ""}, "project"),
        ({"recipe": "r", "when": "now"}, "when"),
    ):
        answer = client.post("/api/v1/jobs", json=body)
        assert answer.status_code == 422, body
        assert_one_shape(answer)
        assert answer.json()["field"] == field


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/jobs/{NOBODY}", None, 404),
        ("POST", f"/jobs/{NOBODY}/cancel", None, 404),
        ("POST", f"/jobs/{NOBODY}/heartbeat", {"lease": "0" * 32}, 404),
        ("POST", f"/jobs/{NOBODY}/finish", {"lease": "0" * 32, "outcome": "finished"}, 404),
        ("POST", f"/jobs/{NOBODY}/finish", {"lease": "0" * 32, "outcome": "lost"}, 422),
        ("POST", "/jobs/claim", {"worker": ""}, 422),
        ("GET", "/jobs/%2e%2e", None, 422),
        ("GET", "/jobs?cursor=nonsense", None, 400),
        ("GET", "/jobs?state=asleep", None, 422),
        ("DELETE", f"/jobs/{NOBODY}", None, 405),
    ],
)
def test_what_cannot_be_done_with_a_job_is_a_problem(
    client: httpx.Client, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    answer = client.request(method, f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    assert_one_shape(answer)


def test_a_stranger_sees_and_queues_nothing(service: Running, stranger: httpx.Client) -> None:
    assert stranger.get("/api/v1/jobs").status_code == 401
    assert stranger.post("/api/v1/jobs", json={"recipe": "digits-gn"}).status_code == 401
