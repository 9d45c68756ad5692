"""docker compose, really brought up from an empty engine: a run must arrive through PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]


def _has_engine() -> bool:
    return (
        bool(shutil.which("docker"))
        and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """One compose project with a name, port and volumes of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.project = f"ganwatch-test-{uuid.uuid4().hex[:8]}"
        self.environment = {
            **os.environ,
            "PORT": str(port),
            "RECIPE": "digits-gn",
            "RECIPE_ARGS": "--epochs 3",
        }

    def __call__(self, *arguments: str, check: bool = True) -> str:
        command = ["docker", "compose", "-p", self.project, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    def client(self) -> httpx.Client:
        link = re.search(r"http://127\.0\.0\.1:\d+/\?token=(\S+)", self("logs", "--no-color", "server"))
        assert link, "the server's log must print the link"
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers={"Authorization": f"Bearer {link[1]}"},
            timeout=30,
        )


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    if not _has_engine():
        pytest.skip("no Docker engine answers (docker info)")
    stack = Stack(_free_port())
    try:
        stack("up", "--build", "--detach")
        yield stack
    finally:
        stack("down", "--volumes", "--timeout", "5", check=False)


def _wait_for_a_finished_run(client: httpx.Client, seconds: float = 600) -> dict[str, object]:
    deadline = time.monotonic() + seconds
    runs: list[dict[str, object]] = []
    while time.monotonic() < deadline:
        runs = client.get("/runs").raise_for_status().json()["runs"]
        for run in runs:
            if run["state"] == "finished":
                return run
        time.sleep(1)
    pytest.fail(f"no run finished within {seconds} s; runs: {json.dumps(runs)[:2000]}")


def test_a_run_of_the_worker_arrives_through_postgresql(stack: Stack) -> None:
    with stack.client() as client:
        run = _wait_for_a_finished_run(client)
        assert run["epoch"] == 3
        points = client.get(f"/runs/{run['id']}/points", params={"name": "loss/d"}).raise_for_status().json()
        assert sum(points["series"]["loss/d"]["count"]) == run["steps"]
        (job,) = client.get("/jobs").raise_for_status().json()["jobs"]
        assert (job["recipe"], job["overrides"], job["run"]) == ("digits-gn", {"epochs": 3}, run["id"])
    rows = stack(
        "exec", "-T", "database", "psql", "-U", "ganwatch", "-d", "ganwatch", "-Atc", "select state from run"
    )
    assert rows.split() == ["finished"]


def test_what_was_stored_and_the_token_outlive_a_restart_of_everything(stack: Stack) -> None:
    with stack.client() as client:
        before = _wait_for_a_finished_run(client)
        stack("stop", "--timeout", "10")
        stack("up", "--detach", "--wait", "database", "server")
        after = client.get(f"/runs/{before['id']}").raise_for_status().json()
    assert (after["state"], after["steps"]) == ("finished", before["steps"])


def test_only_the_web_port_is_published_and_only_on_loopback(stack: Stack) -> None:
    published = {
        f"{port['URL']}:{port['PublishedPort']}"
        for line in stack("ps", "--all", "--format", "json").splitlines()
        for container in [json.loads(line)]
        for port in container.get("Publishers") or []
        if port["PublishedPort"]
    }
    assert published == {f"127.0.0.1:{stack.port}"}


def test_no_password_stands_in_a_containers_environment(stack: Stack) -> None:
    secret = stack("exec", "-T", "server", "cat", "/secrets/database_password").strip()
    for container in stack("ps", "--all", "--quiet").split():
        described = subprocess.run(
            ["docker", "inspect", container], capture_output=True, text=True, check=True
        ).stdout
        assert secret not in described
