"""How the machine fares: its processors, memory and NVIDIA GPUs, sampled in a thread beside training."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from time import time as now
from typing import Any, NamedTuple

from monitor.client.marks import NO_MARK
from monitor.client.notices import Notices
from monitor.client.numbers import Numbers
from monitor.client.rows import Columns
from monitor.client.spool import Spool
from monitor.protocol import Declare

#: Seconds before anything is loaded for it: a run that is over sooner has nothing to sample.
PATIENCE = 1.0


class Gauge(NamedTuple):
    """One thing that can be read, now."""

    name: str
    unit: str
    help: str
    upper: float | None
    #: None where there is nothing to be told this time.
    read: Callable[[], float | None]


class System:
    """Samples all gauges at an interval, at the step where the run is, until it is stopped."""

    def __init__(self, spool: Spool, numbers: Numbers, notices: Notices, interval: float) -> None:
        self._spool = spool
        self._numbers = numbers
        self._notices = notices
        self._interval = interval
        self._columns: dict[tuple[str, ...], Columns] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ganwatch-system", daemon=True)

    def start(self) -> None:
        if self._interval > 0:
            self._thread.start()

    def stop(self, timeout: float) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        if self._stopping.wait(min(self._interval, PATIENCE)):
            return
        try:
            gauges = [*_processors(), *_gpus()]
            for gauge in gauges:
                # The first reading of a processor's load has nothing to compare with.
                gauge.read()
            is_declared = False
            while not self._stopping.wait(self._interval):
                values = {gauge.name: value for gauge in gauges if (value := gauge.read()) is not None}
                if not is_declared:
                    self._declare(gauges)
                    is_declared = True
                self._write(values)
        except Exception as error:  # noqa: BLE001 - the run is worth more than what is said of its machine
            self._notices.once("system", "the machine is not watched any more: %s", error)

    def _declare(self, gauges: list[Gauge]) -> None:
        for name, unit, text, upper, _ in gauges:
            self._spool.append(Declare(sequence=1, name=name, unit=unit, help=text, lower=0.0, upper=upper))

    def _write(self, values: dict[str, float]) -> None:
        names = tuple(values)
        columns = self._columns.setdefault(names, Columns(names, 1))
        self._spool.append_row(columns, (self._numbers.step, now(), NO_MARK), values.values())


def _processors() -> Iterator[Gauge]:
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - most of what a run needs at once it needs without

    process, cores = psutil.Process(), psutil.cpu_count() or 1
    total = float(psutil.virtual_memory().total)
    yield Gauge(
        "system/cpu/process",
        "cores",
        "Processor cores that the training process keeps busy.",
        float(cores),
        lambda: process.cpu_percent() / 100,
    )
    yield Gauge(
        "system/cpu/machine",
        "cores",
        "Processor cores that are busy on the whole machine.",
        float(cores),
        lambda: psutil.cpu_percent() / 100 * cores,
    )
    yield Gauge(
        "system/memory/process",
        "bytes",
        "Resident memory of the training process.",
        total,
        lambda: float(process.memory_info().rss),
    )
    yield Gauge(
        "system/memory/machine",
        "bytes",
        "Memory of the whole machine that is not available to new programs.",
        total,
        lambda: total - psutil.virtual_memory().available,
    )


def _gpus() -> Iterator[Gauge]:
    """Those that the process may use, by their number on the machine; none without an NVIDIA driver."""
    import pynvml as nvml  # type: ignore[import-untyped]  # noqa: PLC0415 - loads nothing of the driver until it is asked to

    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return
    visible = visible_gpus(
        [nvml.nvmlDeviceGetUUID(handle) for handle in handles], os.environ.get("CUDA_VISIBLE_DEVICES")
    )
    for index in visible:
        yield from _gauges_of(nvml, handles[index], index)


def visible_gpus(uuids: list[str], setting: str | None) -> list[int]:
    """The GPUs that ``CUDA_VISIBLE_DEVICES`` leaves to the process: numbers or beginnings of UUIDs."""
    if setting is None:
        return list(range(len(uuids)))
    visible: list[int] = []
    for word in (part.strip() for part in setting.split(",")):
        if word.isdecimal():
            found = [int(word)] if int(word) < len(uuids) else []
        else:
            found = [i for i, uuid in enumerate(uuids) if word and uuid.startswith(word)]
        if not found:
            # As CUDA reads it: what follows a device that is not there does not count.
            break
        visible += found
    return visible


def _gauges_of(nvml: Any, handle: Any, index: int) -> Iterator[Gauge]:
    def told(read: Callable[[], float | None]) -> Callable[[], float | None]:
        def tell() -> float | None:
            try:
                return read()
            except nvml.NVMLError:
                return None

        return tell

    def own() -> float | None:
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        used = [process.usedGpuMemory for process in running if process.pid == os.getpid()]
        # In a container the process goes by another number out there.
        return float(sum(used)) if used and None not in used else None

    name, total = nvml.nvmlDeviceGetName(handle), float(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    prefix = f"system/gpu/{index}"
    yield Gauge(
        f"{prefix}/utilization",
        "%",
        f"Share of the time in which a kernel ran on GPU {index}, {name}, of any process.",
        100.0,
        told(lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
    )
    yield Gauge(
        f"{prefix}/memory/machine",
        "bytes",
        f"Memory in use on GPU {index}, {name}, by all processes.",
        total,
        told(lambda: float(nvml.nvmlDeviceGetMemoryInfo(handle).used)),
    )
    yield Gauge(
        f"{prefix}/memory/process",
        "bytes",
        f"Memory that the training process holds on GPU {index}, {name}.",
        total,
        told(own),
    )
