"""What `gantrain submit` puts into the service's queue."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.monitor.api.running import TOKEN, Running, run_service
from trainer.cli import main


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with run_service(tmp_path / "service") as running:
        yield running


def submitted(service: Running, *arguments: str) -> dict[str, Any]:
    main(["submit", *arguments, "--server", f"{service.url}/?token={TOKEN}"])
    with service.client() as client:
        (job,) = client.get("/api/v1/jobs").json()["jobs"]
    return dict(job)


def test_submit_queues_what_was_changed_of_a_recipe(
    service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--lr.d", "4e-4", "--epochs", "2", "--project", "p", "--tags", "a", "b"]
    job = submitted(service, "digits-gn", *asked)
    assert (job["recipe"], job["project"], job["tags"]) == ("digits-gn", "p", ["a", "b"])
    assert job["overrides"] == {"lr.d": 4e-4, "epochs": 2}
    assert capsys.readouterr().out == f"job {job['id']} will be run {job['run']}\n"


def test_submit_names_files_so_that_a_worker_finds_them(
    service: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = ["--data", "faces", "--fidelity.reference", "real.npz", "--fidelity.weights", "../w.pt"]
    job = submitted(service, "dcgan64-gn", *paths)
    assert job["overrides"] == {
        "data": str(tmp_path / "faces"),
        "fidelity.reference": str(tmp_path / "real.npz"),
        "fidelity.weights": str(tmp_path / "../w.pt"),
    }
