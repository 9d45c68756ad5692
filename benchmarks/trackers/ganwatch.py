"""Over HTTP into a service of its own, with SQLite that waits for the disk."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SHARE = 1.0
WITH = "over HTTP, SQLite synchronous FULL"
_state: dict[str, Any] = {}


def start(folder: Path) -> None:
    import monitor  # noqa: PLC0415

    command = [
        sys.executable,
        "-m",
        "monitor.cli",
        "serve",
        "--no-open",
        "--port",
        "0",
        "--data-dir",
        "service",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    link = process.stdout.readline().split()[-1]
    _state.update(
        process=process, link=link, run=monitor.init(id="peers", server=link, directory=folder / "spool")
    )


def log(values: dict[str, float], step: int) -> None:
    _state["run"].log(values, step=step)


def finish() -> None:
    summary = _state["run"].finish(timeout=600)
    assert summary.pending == summary.dropped == summary.rejected == 0, summary


def settle() -> None:
    """What is not waited for when a training ends: the service compacts, and is then ended."""
    with _client() as client:
        deadline = time.monotonic() + 120
        while (
            "\nganwatch_tail_batches 0\n" not in client.get("/metrics").text and time.monotonic() < deadline
        ):
            time.sleep(0.5)
    _state["process"].terminate()
    _state["process"].wait()


def kept(folder: Path, name: str) -> int | None:  # noqa: ARG001 - the service is asked, as a page would
    with _client() as client:
        answer = client.get("/api/v1/runs/peers/points", params={"name": name, "buckets": 1000}).json()
    return sum(value > 500 for value in answer["series"][name]["max"])


def _client() -> Any:
    import httpx  # noqa: PLC0415

    url = httpx.URL(_state["link"])
    return httpx.Client(
        base_url=url.copy_with(query=None),
        headers={"Authorization": f"Bearer {url.params['token']}"},
        trust_env=False,
        timeout=60,
    )
