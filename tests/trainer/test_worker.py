"""A worker as a user starts it, and the jobs it trains, against the real service."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.monitor.api.running import TOKEN, Running, run_service
from tests.trainer.processes import environment
from tests.trainer.states import assert_identical, last_state
from trainer.cli import main
from trainer.job import Ending
from trainer.worker import judged

PATIENCE = 240
#: About 7 steps an epoch, in a few milliseconds each.
QUICK = {
    "batch": {"g": 8, "d": 256},
    "network": {"width_g": 2, "width_d": 2},
    "checkpoints.every": 1,
}
ENDLESS = QUICK | {"epochs": None, "steps": 10**9}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with run_service(tmp_path / "service", lost_after=4) as running:
        yield running


@pytest.fixture
def client(service: Running) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@contextmanager
def worker(service: Running, home: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", "worker", "--device", "cpu"],
        cwd=home,
        env=environment(home) | {"GANWATCH_SERVER": f"{service.url}/?token={TOKEN}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def submit(client: httpx.Client, overrides: dict[str, Any], **fields: Any) -> str:
    wanted = {"recipe": "digits-gn", "overrides": overrides, **fields}
    answer = client.post("/api/v1/jobs", json=wanted)
    assert answer.status_code == 201, answer.text
    job: str = answer.json()["id"]
    return job


def wait_for(client: httpx.Client, job: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Nothing tells a stranger how far a job is but asking."""
    patience = threading.Event()
    for _ in range(PATIENCE * 5):
        shown: dict[str, Any] = client.get(f"/api/v1/jobs/{job}").json()
        if holds(shown):
            return shown
        patience.wait(0.2)
    raise AssertionError(f"it never came to hold: {shown}")


def wait_for_epoch(client: httpx.Client, job: str, epoch: int) -> str:
    """The run of the job, as soon as it has come so far."""

    def has_come(shown: dict[str, Any]) -> bool:
        run = client.get(f"/api/v1/runs/{shown['run']}")
        return run.status_code == 200 and (run.json()["epoch"] or 0) >= epoch

    run: str = wait_for(client, job, has_come)["run"]
    return run


def wait_for_attempt(client: httpx.Client, job: str, attempt: int) -> dict[str, Any]:
    """The run of the job, as soon as it is in that attempt."""
    run: dict[str, Any] = {}

    def is_in(shown: dict[str, Any]) -> bool:
        run.update(client.get(f"/api/v1/runs/{shown['run']}").json())
        return bool(run["attempt"] == attempt)

    wait_for(client, job, is_in)
    return run


def test_a_worker_trains_what_is_queued_and_says_what_it_cannot_train(
    service: Running, client: httpx.Client, tmp_path: Path
) -> None:
    unknown = submit(client, {}, recipe="digits-gm")
    wrong = submit(client, {"lr.x": 1})
    good = submit(client, QUICK | {"epochs": None, "steps": 10, "seed": 3}, project="queued", tags=["night"])
    with worker(service, tmp_path) as process:
        done = wait_for(client, good, lambda job: job["state"] == "finished")
        failures = [client.get(f"/api/v1/jobs/{job}").json() for job in (unknown, wrong)]
        assert [job["state"] for job in failures] == ["failed", "failed"]
        assert failures[0]["message"].startswith("there is no recipe 'digits-gm'. Did you mean digits-gn?")
        assert failures[1]["message"] == "there is no setting 'lr.x'. Did you mean lr.g?"
        run = client.get(f"/api/v1/runs/{done['run']}").json()
        assert (run["state"], run["project"], run["tags"], run["name"], run["steps"]) == (
            *("finished", "queued", ["night"]),
            *("digits-gn seed 3", 10),
        )

        last = submit(client, ENDLESS)
        begun = wait_for_epoch(client, last, 2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    handed_back = client.get(f"/api/v1/jobs/{last}").json()
    assert (handed_back["state"], handed_back["deaths"]) == ("queued", 0)
    step, _ = last_state(tmp_path / "trainings" / begun / "checkpoints")
    assert handed_back["message"] == f"stopped by SIGTERM at step {step}"
    assert client.get(f"/api/v1/runs/{begun}").json()["steps"] == step


@pytest.mark.slow
def test_a_preempted_worker_hands_its_job_back_and_the_next_goes_on_bit_for_bit(
    service: Running, client: httpx.Client, tmp_path: Path
) -> None:
    steps = 120
    whole = ["digits-gn", "--epochs", "None", "--steps", str(steps), "--out", str(tmp_path / "whole")]
    flags = ["--batch.g", "8", "--batch.d", "256", "--network.width-g", "2", "--network.width-d", "2"]
    job = submit(client, QUICK | {"epochs": None, "steps": steps})
    with worker(service, tmp_path) as process:
        run = wait_for_epoch(client, job, 2)
        process.send_signal(signal.SIGUSR1)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert client.get(f"/api/v1/jobs/{job}").json()["state"] == "queued"
    with worker(service, tmp_path):
        done = wait_for(client, job, lambda job: job["state"] == "finished")
    assert (done["run"], done["claims"], done["deaths"]) == (run, 2, 0)
    assert client.get(f"/api/v1/runs/{run}").json()["attempt"] == 0
    main([*whole, *flags, "--device", "cpu", "--no-probes", "--quiet"])
    step, state = last_state(tmp_path / "trainings" / run / "checkpoints")
    assert step == steps
    assert_identical(state, last_state(tmp_path / "whole" / "checkpoints")[1])


@pytest.mark.slow
def test_what_a_killed_worker_trained_is_gone_on_with_by_another(
    service: Running, client: httpx.Client, tmp_path: Path
) -> None:
    job = submit(client, ENDLESS)
    with worker(service, tmp_path) as process:
        run = wait_for_epoch(client, job, 2)
        process.kill()
    with worker(service, tmp_path):
        taken = wait_for(client, job, lambda job: job["claims"] >= 2 and job["state"] == "running")
        assert (taken["run"], taken["deaths"]) == (run, 1)
        before = client.get(f"/api/v1/runs/{run}").json()["epoch"]
        wait_for_epoch(client, job, before + 2)
        client.post(f"/api/v1/jobs/{job}/cancel").raise_for_status()
        over = wait_for(client, job, lambda job: job["state"] == "cancelled")
    assert over["message"].startswith("cancelled at step ")


@pytest.mark.slow
def test_a_job_whose_process_is_killed_is_tried_again_and_then_given_up(
    service: Running, client: httpx.Client, tmp_path: Path
) -> None:
    job = submit(client, ENDLESS)
    with worker(service, tmp_path) as process:
        for death in range(3):
            wait_for(client, job, lambda job, death=death: job["claims"] == death + 1)
            os.kill(child_of(process.pid), signal.SIGKILL)
        over = wait_for(client, job, lambda job: job["state"] == "failed")
        assert process.poll() is None
    assert over["message"] == "given up after 3 deaths: its process was ended by SIGKILL"


@pytest.mark.slow
def test_a_stop_command_ends_the_job_and_not_the_worker(
    service: Running, client: httpx.Client, tmp_path: Path
) -> None:
    job = submit(client, ENDLESS)
    with worker(service, tmp_path) as process:
        run = wait_for_epoch(client, job, 1)
        client.post(f"/api/v1/runs/{run}/commands", json={"kind": "stop"}).raise_for_status()
        over = wait_for(client, job, lambda job: job["state"] == "cancelled")
        assert process.poll() is None
    assert over["message"].startswith("stopped by command at step ")


@pytest.mark.slow
def test_a_worker_without_the_checkpoints_begins_again_with_the_remedies_that_were_taken(
    service: Running, client: httpx.Client, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    job = submit(client, ENDLESS | {"on_turning_point": "rescue"}, recipe="digits-lsgan")
    with worker(service, here) as process:
        run = wait_for_epoch(client, job, 6)
        asked = {"kind": "rollback", "parameters": {"onset_step": 30}}
        client.post(f"/api/v1/runs/{run}/commands", json=asked).raise_for_status()
        wait_for_attempt(client, job, 1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    with worker(service, there) as process:
        shown = wait_for_attempt(client, job, 2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert "without its checkpoints it begins again, with gn, which it took" in said
    assert (shown["config"]["critic"]["kind"], shown["config"]["rollbacks"]) == ("gn", 1)
    assert (shown["attempts"][2]["from_step"], shown["attempts"][2]["remedy"]) == (0, None)
    assert shown["rescue"] == {"remedy": "lr", "refused": None}


def child_of(parent: int) -> int:
    patience = threading.Event()
    for _ in range(PATIENCE * 20):
        listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            pid, of, command = line.split(None, 2)
            if of == str(parent) and "trainer.job" in command:
                return int(pid)
        patience.wait(0.05)
    raise AssertionError("it trains nothing")


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (Ending(), ("finished", "")),
        (Ending(failed="no data"), ("failed", "no data")),
        (Ending(died="out of memory"), ("died", "out of memory")),
        (Ending(busy="another trains"), ("returned", "another trains")),
        (Ending(stopped="stopped by SIGTERM"), ("returned", "stopped by SIGTERM")),
        (Ending(stopped="by command", is_commanded=True), ("cancelled", "by command")),
    ],
)
def test_how_a_job_ended_decides_what_becomes_of_it(ending: Ending, outcome: tuple[str, str]) -> None:
    assert judged(ending, is_cancelled=False) == outcome


def test_a_job_that_was_cancelled_does_not_wait_again() -> None:
    assert judged(Ending(stopped="cancelled at step 3"), is_cancelled=True)[0] == "cancelled"
    assert judged(Ending(), is_cancelled=True)[0] == "finished"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["worker", "--server", "http://127.0.0.1:1/", "--device", "cuda:77"], "cuda:77 cannot be used"),
        (["worker"], "pass --server, the link that `ganwatch serve` prints"),
        (["worker", "--server", "ftp://x"], "no address of a server"),
        (["submit", "digits-gm"], "Did you mean digits-gn"),
        (["submit", "digits-gn", "--server", "http://127.0.0.1:1"], "the service cannot be reached"),
    ],
)
def test_what_cannot_begin_says_so_in_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANWATCH_SERVER", raising=False)
    with pytest.raises(SystemExit, match=message) as end:
        main(arguments)
    assert "\n" not in str(end.value.code)


def test_a_worker_with_a_wrong_token_ends_and_says_why(service: Running, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "trainer", "worker", "--device", "cpu", "--server", service.url],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert process.returncode == 1
    assert "gantrain: the service refuses: A token is needed" in process.stderr
    assert json.dumps(TOKEN) not in process.stderr
