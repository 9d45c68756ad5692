"""Several processes, started by torchrun over gloo."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.monitor.api.running import TOKEN, Running, run_service
from tests.trainer.processes import SMALL, environment
from tests.trainer.ranks import CONFIGURATIONS, trained
from tests.trainer.states import last_state
from trainer import spokesman
from trainer.config import Batch
from trainer.distributed import ALONE, choose_device
from trainer.errors import ConfigError
from trainer.spokesman import end_with

ROOT = Path(__file__).parents[2]


def torchrun(home: Path, *arguments: str, processes: int = 2) -> subprocess.Popen[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [sys.executable, *launch, *arguments],
        cwd=home,
        env=environment(home) | {"OMP_WAIT_POLICY": "passive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes logged and learned, by configuration."""
    folder = tmp_path_factory.mktemp("two")
    with torchrun(folder, "-m", "tests.trainer.ranks", str(folder)) as process:
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return folder


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_two_processes_do_together_what_one_does_with_the_doubled_batch(
    name: str, two: Path, tmp_path: Path
) -> None:
    config = CONFIGURATIONS[name]
    doubled = Batch(g=2 * config.batch.g, d=2 * config.batch.d, accumulate=config.batch.accumulate)
    torch.set_num_threads(1)
    one = trained(replace(config, batch=doubled), tmp_path)
    points = torch.load(two / f"{name}.points")
    assert [point[:3] for point in points] == [point[:3] for point in one.points]
    assert len(one.series("loss/d")) == 6
    torch.testing.assert_close(
        torch.tensor([point[3] for point in points]), torch.tensor([point[3] for point in one.points])
    )
    here, there = last_state(tmp_path)[1], last_state(two / name)[1]
    weights = [key for key in here if key.startswith(("/G/", "/D/", "/G_ema/"))]
    assert weights
    for key in weights:
        torch.testing.assert_close(there[key], here[key], msg=lambda text, key=key: f"{key}: {text}")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with run_service(tmp_path / "service") as running:
        yield running


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    patience = threading.Event()
    for _ in range(1200):
        if holds():
            return
        assert process.poll() is None, process.communicate()[0]
        patience.wait(0.2)
    process.kill()
    raise AssertionError(process.communicate()[0])


def process_of_rank(rank: int, launcher: subprocess.Popen[str]) -> int:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines()[1:]:
        pid, parent = line.split()
        if parent == str(launcher.pid):
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"RANK={rank}".encode() in environ:
                return int(pid)
    raise AssertionError(listed)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_dies_ends_all_and_the_same_command_goes_on(
    killed: int, service: Running, tmp_path: Path
) -> None:
    def train(steps: int) -> subprocess.Popen[str]:
        length = ["--epochs", "None", "--steps", str(steps)]
        server = ["--server", f"{service.url}/?token={TOKEN}"]
        return torchrun(
            tmp_path, "-m", "trainer", "digits-gn", *SMALL, *length, *server, "--out", "t", "--resume"
        )

    with service.client() as client:

        def run() -> dict[str, Any]:
            runs = client.get("/api/v1/runs").json()["runs"]
            return client.get(f"/api/v1/runs/{runs[0]['id']}").json() if runs else {}

        with train(10**9) as process:
            wait_until(lambda: (run().get("epoch") or 0) >= 2, process)
            begun = run()
            assert {(writer["rank"], writer["state"]) for writer in begun["writers"]} == {
                (0, "running"),
                (1, "running"),
            }
            assert begun["config"]["processes"] == 2
            os.kill(process_of_rank(killed, process), signal.SIGKILL)
            output, _ = process.communicate(timeout=240)
        assert process.returncode != 0
        assert "another process of this training has died" in output
        failed = run()
        assert (failed["id"], failed["state"]) == (begun["id"], "failed")
        assert "another process of this training has died" in failed["message"]

        step, _ = last_state(tmp_path / "t" / "checkpoints")
        with train(step + 5) as process:
            output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        done = run()
        assert (done["id"], done["state"], done["steps"]) == (begun["id"], "finished", step + 5)
        address = f"/api/v1/runs/{done['id']}/points"
        times = client.get(address, params={"name": "system/step_time@1"}).json()["series"]
        assert sum(times["system/step_time@1"]["count"]) >= 5
        assert done["attempt"] == 1


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_after_the_same_step(service: Running, tmp_path: Path) -> None:
    server = ["--server", f"{service.url}/?token={TOKEN}"]
    endless = ["--epochs", "None", "--steps", str(10**9), "--out", "t"]
    with service.client() as client:

        def epoch() -> int:
            runs = client.get("/api/v1/runs").json()["runs"]
            return int(runs[0]["epoch"] or 0) if runs else 0

        with torchrun(tmp_path, "-m", "trainer", "digits-gn", *SMALL, *endless, *server) as process:
            wait_until(lambda: epoch() >= 2, process)
            os.kill(process_of_rank(1, process), signal.SIGUSR1)
            output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        (run,) = client.get("/api/v1/runs").json()["runs"]
    step, _ = last_state(tmp_path / "t" / "checkpoints")
    assert (run["state"], run["message"], run["steps"]) == (
        "finished",
        f"stopped by SIGUSR1 at step {step}",
        step,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["digits-gm"], "gantrain: there is no recipe 'digits-gm'. Did you mean digits-gn?"),
        (["digits-gn", "--epochs", "many"], "'many' is not a whole number"),
    ],
)
def test_what_every_process_would_refuse_is_said_by_the_first(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    with torchrun(tmp_path, "-m", "trainer", *arguments) as process:
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    own, _, table = output.partition("FAILED")
    assert own.count(said) == 1
    assert table.count(said) == (1 if said.startswith("gantrain") else 0)


def test_a_process_that_is_not_ended_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(spokesman, "PATIENCE", 0.01)
    with pytest.raises(SystemExit, match="gantrain: no such folder"):
        end_with(ConfigError("no such folder"))


def test_a_device_that_is_not_there_is_refused() -> None:
    for name in ("toaster", "cuda:77", "cuda:x", ""):
        with pytest.raises(ConfigError, match=rf"^device {name} cannot be used.*: pass cpu[^,]*$"):
            choose_device(name)


def test_what_rank_0_cannot_make_is_refused_as_it_said() -> None:
    def refuse() -> None:
        raise ConfigError("no such folder")

    with pytest.raises(ConfigError, match="no such folder"):
        ALONE.share(refuse)
