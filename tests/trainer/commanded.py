"""Trainings that report to a real service and are commanded by it, as processes of their own."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.monitor.api.running import TOKEN, Running
from tests.trainer.processes import SMALL, environment

#: Until it is stopped.
ENDLESS = ["--epochs", "None", "--steps", str(10**9)]


class Commanded:
    """``gantrain`` in ``home / "t"``, by so many processes, and what the service knows of its run."""

    def __init__(self, service: Running, client: httpx.Client, home: Path, processes: int = 1) -> None:
        self.client = client
        self.home = home
        self.folder = home / "t"
        self._server = ["--server", f"{service.url}/?token={TOKEN}"]
        self._launch = (
            ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
            if processes > 1
            else []
        )

    @contextmanager
    def start(self, *arguments: str, recipe: str = "digits-lsgan") -> Iterator[subprocess.Popen[str]]:
        """It ends with the block, whatever ended that: by itself it never would."""
        options = [*SMALL, *ENDLESS, *self._server, "--out", str(self.folder), "--resume", "--quiet"]
        with subprocess.Popen(
            [sys.executable, *self._launch, "-m", "trainer", recipe, *options, *arguments],
            cwd=self.home,
            env=environment(self.home) | {"OMP_WAIT_POLICY": "passive"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self) -> dict[str, Any]:
        """Empty while there is none."""
        runs = self.client.get("/api/v1/runs").json()["runs"]
        found: dict[str, Any] = self.client.get(f"/api/v1/runs/{runs[0]['id']}").json() if runs else {}
        return found

    def ask(self, kind: str, **parameters: Any) -> httpx.Response:
        path = f"/api/v1/runs/{self.run()['id']}/commands"
        return self.client.post(path, json={"kind": kind, "parameters": parameters})

    def command(self, kind: str, **parameters: Any) -> str:
        answer = self.ask(kind, **parameters)
        assert answer.status_code == 201, answer.text
        name: str = answer.json()["id"]
        return name

    def outcome(self, command: str) -> tuple[str | None, str]:
        commands = self.client.get(f"/api/v1/runs/{self.run()['id']}/commands").json()["commands"]
        (found,) = (known for known in commands if known["id"] == command)
        return found["outcome"], found["detail"]


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """While the process lives."""
    patience = threading.Event()
    for _ in range(1200):
        if holds():
            return
        assert process.poll() is None, process.communicate()[0]
        patience.wait(0.2)
    process.kill()
    raise AssertionError(process.communicate()[0])
