"""``gantrain worker``: trains what is queued at the service, one job at a time on each device.

Every job is trained by a process of its own (``job.py``), so that nothing of one is left when the next
begins, and none takes the worker down with it. While it trains the worker keeps the job's lease. A worker
that is asked to stop lets its jobs write their checkpoints and hands them back; where it dies, its processes
notice and do the same, the leases run out, and others go on with the same runs.
"""

import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from time import monotonic
from types import FrameType
from typing import Final

import msgspec

from monitor.client.address import Address
from monitor.client.transport import Unreachable
from trainer.errors import TrainingError
from trainer.job import Ending, Order
from trainer.jobs import Job, LeaseLostError, Outcome, Queue, QueueError

logger = logging.getLogger(__name__)

#: Seconds between two questions for a job, and after a job that somebody else still trains here.
IDLE: Final = 2.0
BUSY: Final = 10.0
#: Signs of life in the length of a lease.
BEATS: Final = 4


class Slot:
    """One device, and the job that is trained on it."""

    def __init__(self, address: Address, device: str, *, quiet: bool) -> None:
        self.queue = Queue(address)
        self.address = address
        self.device = device
        self.quiet = quiet
        self.name = f"{socket.gethostname()}/{device}"
        #: Why the worker stops; empty while it does not.
        self.stopping = ""
        #: Why it cannot go on.
        self.failure: Exception | None = None
        self._woken = threading.Event()
        self._is_out_of_reach = False

    def stop(self, reason: str) -> None:
        """The first reason counts. A signal may come in the midst of another's handling, and would wait for
        the lock of the event that it is set with for ever.
        """
        if not self.stopping:
            self.stopping = reason
            self._woken.set()

    def work(self) -> None:
        with closing(self.queue):
            try:
                self._work_off()
            except Exception as problem:  # noqa: BLE001  it is raised where the worker ends
                logger.warning("%s: takes no more jobs: %s", self.name, problem)
                self.failure = problem

    def _work_off(self) -> None:
        while not self.stopping:
            try:
                job = self.queue.claim(self.name)
            except Unreachable as problem:
                self._miss(problem)
                job = None
            else:
                self._reach()
            self._rest(IDLE if job is None else self._train(job))

    def _train(self, job: Job) -> float:
        """Until it has ended. The seconds to wait before the next."""
        logger.info("%s: job %s, %s as run %s", self.name, job.id, job.recipe, job.run)
        process = JobProcess(self._order(job), when_ended=self._woken.set)
        is_ours, is_cancelled = True, False
        due = monotonic() + job.lease_seconds / BEATS
        while process.ending is None:
            self._rest(due - monotonic())
            if self.stopping:
                process.tell(self.stopping)
            if monotonic() < due:
                continue
            due = monotonic() + job.lease_seconds / BEATS
            if is_ours:
                try:
                    is_cancelled = self.queue.keep(job) or is_cancelled
                    self._reach()
                except LeaseLostError as problem:
                    is_ours = False
                    process.tell(f"stopped because {problem}")
                except (Unreachable, QueueError) as problem:
                    self._miss(problem)
                if is_cancelled:
                    process.tell("cancelled")
        outcome, message = judged(process.ending, is_cancelled=is_cancelled)
        logger.info("%s: job %s %s%s", self.name, job.id, outcome, f": {message}" if message else "")
        if is_ours:
            self._finish(job, outcome, message)
        return BUSY if process.ending.busy else 0.0

    def _finish(self, job: Job, outcome: Outcome, message: str) -> None:
        """As often as it takes, for as long as the job is ours."""
        ours_until = monotonic() + job.lease_seconds
        while True:
            try:
                self.queue.finish(job, outcome, message)
            except Unreachable as problem:
                self._miss(problem)
                if self.stopping or monotonic() >= ours_until:
                    return  # the lease runs out, and whoever takes the job finds how far it came
            except (LeaseLostError, QueueError) as problem:
                logger.warning("%s: job %s: %s", self.name, job.id, problem)
                return
            else:
                return
            self._rest(IDLE)

    def _order(self, job: Job) -> Order:
        token = f"/?token={self.address.token}" if self.address.token else ""
        return Order(
            recipe=job.recipe,
            overrides=job.overrides,
            run=job.run,
            attempt=job.attempt,
            remedies=job.remedies,
            project=job.project,
            name=job.name,
            tags=job.tags,
            server=self.address.base + token,
            device=self.device,
            quiet=self.quiet,
        )

    def _rest(self, seconds: float) -> None:
        self._woken.wait(max(seconds, 0.0))
        self._woken.clear()

    def _miss(self, problem: Exception) -> None:
        if not self._is_out_of_reach:
            logger.warning("%s: %s cannot be reached (%s); trying on", self.name, self.address.base, problem)
        self._is_out_of_reach = True

    def _reach(self) -> None:
        if self._is_out_of_reach:
            logger.info("%s: %s is there again", self.name, self.address.base)
        self._is_out_of_reach = False


class JobProcess:
    """A process that trains, and the pipe whose end tells it that the worker is dead."""

    def __init__(self, order: Order, when_ended: Callable[[], None]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trainer.job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the worker, which tells it
        )
        self._is_told = False
        self._when_ended = when_ended
        #: How it ended; None while it has not.
        self.ending: Ending | None = None
        self._say(msgspec.json.encode(order))
        threading.Thread(target=self._wait, name="job", daemon=True).start()

    def tell(self, reason: str) -> None:
        """Let it write a checkpoint and end. The first reason counts."""
        if not self._is_told:
            self._is_told = True
            self._say(reason.replace("\n", " ").encode())

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()

    def _wait(self) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        status = self._process.wait()
        try:
            self.ending = msgspec.json.decode(said, type=Ending)
        except msgspec.MsgspecError:
            by = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
            self.ending = Ending(died=f"its process was ended {by}")
        self._when_ended()


def judged(ending: Ending, *, is_cancelled: bool) -> tuple[Outcome, str]:
    """What the service is told of a job that ended like this."""
    if ending.failed:
        return "failed", ending.failed
    if ending.died:
        return "died", ending.died
    if ending.busy:
        return "returned", ending.busy
    if not ending.stopped:
        return "finished", ""
    return ("cancelled" if is_cancelled or ending.is_commanded else "returned"), ending.stopped


def run_worker(address: Address, device: str | None) -> None:
    """Until it is asked to stop."""
    devices = devices_called(device)
    quiet = len(devices) > 1 or not sys.stderr.isatty()
    slots = [Slot(address, device, quiet=quiet) for device in devices]

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGINT and slots[0].stopping:
            raise KeyboardInterrupt
        for slot in slots:
            slot.stop(f"stopped by {signal.Signals(number).name}")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, stop)
    logger.info("waiting for jobs of %s on %s", address.base, ", ".join(devices))
    threads = [threading.Thread(target=slot.work, name=slot.name, daemon=True) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for slot in slots:
        if slot.failure is not None:
            raise slot.failure


def devices_called(name: str | None) -> list[str]:
    """That one, or every GPU that can be seen, or the CPU. Nothing is begun on them here."""
    if name == "cpu":
        return [name]
    import torch  # noqa: PLC0415  slow to import

    seen = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if name is None:
        return seen or ["cpu"]
    if not seen or name not in {"cuda", *seen}:
        raise TrainingError(f"device {name} cannot be used: there is {', '.join(['cpu', *seen])}")
    return [name]
