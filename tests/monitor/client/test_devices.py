"""Numbers on a GPU: nothing waits for them, and nothing of them is lost."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import torch

import monitor
from monitor import protocol
from monitor.client.devices import is_elsewhere
from tests.monitor.client.test_run import records, values

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_torch_is_only_ever_met_where_the_script_has_loaded_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_elsewhere(torch.zeros(()))
    monkeypatch.delitem(sys.modules, "torch")
    assert not is_elsewhere(1.0)
    assert "torch" not in sys.modules


def busy(seconds: float) -> torch.Tensor:
    """A number that the GPU has only computed after a while."""
    torch.cuda._sleep(int(seconds * 1.5e9))  # type: ignore[no-untyped-call]
    return torch.ones((), device="cuda") * 0.5


@pytest.mark.gpu
@needs_gpu
def test_logging_does_not_wait_for_the_gpu(tmp_path: Path) -> None:
    run = monitor.init(id="run")
    run.log({"warm": torch.zeros((), device="cuda")}, step=0)
    torch.cuda.synchronize()
    began = time.perf_counter()
    run.log({"late": busy(1.0), "early": 1.0}, step=1)
    took = time.perf_counter() - began
    run.finish(timeout=30)
    assert took < 0.1
    logged = values(tmp_path)
    assert logged.index({"early": 1.0}) < logged.index({"late": 0.5})


@pytest.mark.gpu
@needs_gpu
def test_a_number_is_what_it_was_when_it_was_logged(tmp_path: Path) -> None:
    run = monitor.init(id="run")
    loss = torch.zeros((), device="cuda")
    for step in range(1000):
        run.log({"loss": loss, "twice": 2 * loss}, step=step)
        loss += 1
    run.finish(timeout=30)
    assert values(tmp_path) == [{"loss": float(step), "twice": 2.0 * step} for step in range(1000)]


@pytest.mark.gpu
@needs_gpu
def test_every_type_crosses_exactly_and_what_cannot_is_refused(tmp_path: Path) -> None:
    run = monitor.init(id="run")
    cuda = torch.device("cuda")
    run.log(
        {
            "half": torch.tensor(0.5, dtype=torch.bfloat16, device=cuda),
            "double": torch.tensor(1 / 3, dtype=torch.float64, device=cuda),
            "long": torch.tensor(2**53, device=cuda),
            "flag": torch.tensor(True, device=cuda),
            "gradient": torch.tensor(2.0, device=cuda, requires_grad=True),
            "nan": torch.tensor(float("inf"), device=cuda),
            "too long": torch.tensor(2**53 + 1, device=cuda),
            "many": torch.zeros(3, device=cuda),
            "complex": torch.tensor(1j, device=cuda),
        },
        step=1,
    )
    assert run.finish(timeout=30).rejected == 3
    (logged,) = values(tmp_path)
    assert logged == {
        "half": 0.5,
        "double": 1 / 3,
        "long": 2.0**53,
        "flag": 1.0,
        "gradient": 2.0,
        "nan": float("inf"),
    }


@pytest.mark.gpu
@needs_gpu
def test_a_mark_and_a_new_attempt_come_behind_what_was_logged_before(tmp_path: Path) -> None:
    run = monitor.init(id="run")
    run.log({"loss": busy(0.3)}, step=1)
    assert run.mark(step=1) == 0
    run.log({"loss": busy(0.3)}, step=2)
    run.rewind(1)
    run.log({"loss": 1.0}, step=2)
    run.finish(timeout=30)
    kinds = [type(record) for record in records(tmp_path)]
    assert kinds == [protocol.Begin, dict, protocol.Mark, dict, protocol.Attempt, dict, protocol.End]
    assert [row["attempt"] for row in records(tmp_path, kind=dict)] == [0, 0, 1]


@pytest.mark.gpu
@needs_gpu
def test_distributions_and_images_may_lie_on_the_gpu(tmp_path: Path) -> None:
    run = monitor.init(id="run")
    run.log_distribution("gn", torch.arange(11.0, device="cuda"), step=1)
    run.log_images("samples", torch.zeros(4, 8, 8, dtype=torch.uint8, device="cuda"), step=1)
    run.finish(timeout=30)
    assert values(tmp_path) == [{"gn": list(range(11))}]
    assert len(records(tmp_path, kind=protocol.Image)) == 1


@pytest.mark.gpu
@needs_gpu
def test_watching_changes_no_bit_of_the_training(tmp_path: Path) -> None:
    def train(is_watched: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = torch.nn.Linear(32, 32, device="cuda")
        optimizer = torch.optim.Adam(network.parameters())
        run = monitor.init(id="run") if is_watched else None
        for step in range(200):
            loss = network(torch.randn(16, 32, device="cuda")).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if run is not None:
                run.log({"loss": loss, "norm": network.weight.norm()}, step=step)
        if run is not None:
            run.finish(timeout=30)
        return [parameter.detach().cpu() for parameter in network.parameters()]

    for watched, alone in zip(train(True), train(False), strict=True):
        assert torch.equal(watched, alone)
