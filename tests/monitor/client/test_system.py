"""The series of the machine: sampled beside training, told apart, and never in its way."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pynvml
import pytest

import monitor
from monitor import protocol
from monitor.client import system
from monitor.client.system import visible_gpus
from tests.monitor.client.loopback import Service
from tests.monitor.client.test_run import records

MACHINE = {"system/cpu/process", "system/cpu/machine", "system/memory/process", "system/memory/machine"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PATIENCE", 0.01)


def test_the_machine_is_sampled_at_the_step_where_the_run_is_and_says_its_units(
    tmp_path: Path, service: Service
) -> None:
    run = monitor.init(id="run", server=service.url, system_interval=0.05)
    run.log({"loss": 1.0}, step=41)
    service.wait_until(lambda: len(service.points("run", "system/cpu/process")) >= 2)
    run.finish()
    declared = {each.name: each for each in service.records("run", protocol.Declare)}
    assert declared.keys() >= MACHINE
    assert {declared[name].unit for name in MACHINE} == {"cores", "bytes"}
    for name in MACHINE:
        for step, value in service.points("run", name):
            assert step == 41
            upper = declared[name].upper
            assert upper is not None
            assert 0 <= value <= 1.5 * upper
    (resident,) = {value > 10**7 for _, value in service.points("run", "system/memory/process")}
    assert resident
    assert run.finish().dropped == 0


def test_it_can_be_switched_off_and_a_run_that_is_over_soon_has_none(tmp_path: Path) -> None:
    for interval in (0.0, 10.0):
        run = monitor.init(id=f"run-{interval:g}", system_interval=interval)
        names = {thread.name for thread in threading.enumerate()}
        assert ("ganwatch-system" in names) is (interval > 0)
        run.finish()
        assert [type(record) for record in records(tmp_path, run.id)] == [protocol.Begin, protocol.End]
    assert "ganwatch-system" not in {thread.name for thread in threading.enumerate()}


def test_a_gauge_that_fails_ends_the_sampling_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such machine")

    monkeypatch.setattr(psutil, "virtual_memory", fail)
    run = monitor.init(id="run", system_interval=0.01)
    run._system._thread.join(30)
    run.log({"loss": 1.0}, step=1)
    assert run.finish().pending == 3
    assert [r.getMessage() for r in caplog.records if "machine is not watched" in r.getMessage()] == [
        "the machine is not watched any more: no such machine"
    ]


@pytest.mark.parametrize(
    ("setting", "visible"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("1", [1]),
        ("2, 0", [2, 0]),
        ("GPU-b", [1]),
        ("0,7,1", [0]),
        ("-1", []),
        ("MIG-x", []),
    ],
)
def test_only_the_gpus_that_the_process_may_use_are_sampled(setting: str | None, visible: list[int]) -> None:
    assert visible_gpus(["GPU-aa", "GPU-bb", "GPU-cc"], setting) == visible


class Nvml:
    """A driver with one GPU, on which this process and another one run."""

    NVMLError = pynvml.NVMLError

    def __init__(self, own: int) -> None:
        running = [SimpleNamespace(pid=own, usedGpuMemory=3), SimpleNamespace(pid=-1, usedGpuMemory=4)]
        self.answers: dict[str, Any] = {
            "nvmlDeviceGetComputeRunningProcesses": running,
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=7, total=9),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=50),
            "nvmlDeviceGetName": "Tesla",
        }

    def __getattr__(self, name: str) -> Any:
        def answer(_: Any) -> Any:
            found = self.answers[name]
            if isinstance(found, Exception):
                raise found
            return found

        return answer


def test_a_gpu_tells_the_process_from_the_machine_and_leaves_out_what_it_cannot_say() -> None:
    nvml = Nvml(own=system.os.getpid())
    gauges = {gauge.name.removeprefix("system/gpu/0/"): gauge for gauge in system._gauges_of(nvml, None, 0)}
    assert {name: gauge.read() for name, gauge in gauges.items()} == {
        "utilization": 50.0,
        "memory/machine": 7.0,
        "memory/process": 3.0,
    }
    assert "Tesla" in gauges["utilization"].help
    nvml.answers["nvmlDeviceGetUtilizationRates"] = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    nvml.answers["nvmlDeviceGetComputeRunningProcesses"] = []
    assert [gauges[name].read() for name in ("utilization", "memory/process")] == [None, None]


@pytest.mark.gpu
def test_a_real_gpu_is_sampled(service: Service) -> None:
    with monitor.init(id="run", server=service.url, system_interval=0.05):
        service.wait_until(lambda: len(service.points("run", "system/gpu/0/utilization")) >= 2)
    for _, used in service.points("run", "system/gpu/0/memory/machine"):
        assert used > 0
