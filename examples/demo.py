"""The demo: the service, and three GANs on handwritten digits. One collapses and is found out, one does not,
and one collapses like the first and is rescued: it goes back, and on with gradient normalization.

make demo                        # or: python examples/demo.py
make demo PORT=9000 ARGS=--exit  # another port; end after the table, 0 only if all went as promised

The service and the trainings are processes of their own, as they would be anywhere; what is shown here was
asked of the service. The trainings log into a spool, so the service may be killed at any time: it is started
again, and what it missed is delivered then.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from tqdm import tqdm

from monitor.client.address import Address, server_address
from monitor.client.sync import deliver_orphans
from monitor.client.transport import HttpTransport
from monitor.errors import Misuse
from monitor.settings import link, load_settings
from trainer.recipes import RECIPES
from trainer.training_directory import TrainingDirectory

COLLAPSES, STAYS_HEALTHY, IS_RESCUED = "digits-lsgan", "digits-gn", "lsgan-rescued"
#: What each is trained with.
RUNS = {
    COLLAPSES: ["digits-lsgan"],
    STAYS_HEALTHY: ["digits-gn"],
    IS_RESCUED: ["digits-lsgan", "--on-turning-point", "rescue"],
}
#: The share of its level before the collapse that a rescued run is to reach.
HEALTH = 0.95
#: Seconds between two looks.
PAUSE = 0.5
#: Epochs between two lines of a training, where no bar can be drawn.
STRIDE = 20
#: Seconds that the service may take to start, and to receive and judge the rest when training is over.
START, SETTLE = 60, 120
#: Seconds that a process is given to end in order.
GRACE = 15


class DemoError(Exception):
    """What stands in the way, and what to do: one line."""


class Service:
    """``ganwatch serve`` as a child, and what it answers."""

    def __init__(self, address: Address, port: int, directory: Path) -> None:
        self.port, self.directory = port, directory
        self.log = directory / "service.log"
        self._http = httpx.Client(
            base_url=address.base, headers={"Authorization": f"Bearer {address.token}"}, timeout=10
        )
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        arguments = ["serve", "--port", str(self.port), "--data-dir", str(self.directory), "--no-open"]
        return start([sys.executable, "-m", "monitor.cli", *arguments], self.log)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START
        while self.get("/readyz") is None:
            if self.process.poll() is not None:
                raise DemoError(f"the service did not start: {last_line(self.log)}")
            if time.monotonic() > deadline:
                raise DemoError(f"the service does not answer; what it said is in {self.log}")
            time.sleep(PAUSE)

    def keep_alive(self) -> None:
        """Starts it again if it was killed, unless somebody else did."""
        status = self.process.poll()
        if status is None or self.get("/readyz") is not None:
            return
        tqdm.write(f"the service ended with status {status}: it is started again, and nothing is lost")
        self.process = self._start()
        self.wait_until_ready()

    def get(self, path: str) -> dict[str, Any] | None:
        """None while it does not answer."""
        try:
            answer = self._http.get(path)
            answer.raise_for_status()
        except httpx.HTTPError:
            return None
        found: dict[str, Any] = answer.json()
        return found


@dataclass
class Training:
    """A run in training, and what the service knows of it."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]
    bar: tqdm[Any]
    state: dict[str, Any] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "training.log"

    def look(self, service: Service) -> None:
        """Asks the service, moves the bar, and says at once what was raised."""
        directory = TrainingDirectory(self.folder)
        if not directory.holds_training():
            return
        run = f"/api/v1/runs/{directory.record().run}"
        state, found = service.get(run), service.get(f"{run}/alerts")
        if state is None or found is None:
            return
        raised = [alert for alert in found["alerts"] if is_raised(alert)]
        for alert in raised:
            if alert["id"] not in {known["id"] for known in self.alerts}:
                tqdm.write(f"{self.name}: {alert['sentence']}")
        self.state, self.alerts = state, raised
        before, self.bar.n = self.bar.n, int(state["epoch"] or 0)
        last = {name: number(state["last"][name]) for name in ("Q", "D")}
        self.bar.set_postfix(last | {"alerts": len(raised)})
        if self.bar.disable and self.bar.n // STRIDE > before // STRIDE:
            told = f"epoch {self.bar.n} of {self.bar.total}, Q {last['Q']}, D {last['D']}"
            print(f"{self.name}: {told}", flush=True)

    def is_training(self) -> bool:
        status = self.process.poll()
        if status:
            raise DemoError(f"{self.name} failed: {last_line(self.log)} (all it said: {self.log})")
        return status is None

    def is_settled(self) -> bool:
        """Whether all of it has arrived and was judged."""
        return self.state.get("state") == "finished" and self.state["judged"] == self.bar.total


def is_raised(alert: dict[str, Any]) -> bool:
    """A suspicion that came to nothing was told to nobody."""
    return any(transition["state"] == "firing" for transition in alert["transitions"])


def has_turned(training: Training) -> bool:
    return any(alert["rule"] == "turning-point" for alert in training.alerts)


def was_rescued(training: Training) -> bool:
    """Whether its quality and its diversity came back."""
    brought = [attempt["brought"] for attempt in training.state["attempts"] if attempt["brought"]]
    return bool(brought) and all(
        level["now"] >= HEALTH * level["before"] for level in (brought[-1]["Q"], brought[-1]["D"])
    )


def in_short(alert: dict[str, Any]) -> str:
    told = "" if alert["detected_epoch"] is None else f", told after epoch {alert['detected_epoch']:.0f}"
    return f"{alert['title']}{told}"


def number(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float | int) else str(value)


def demo(port: int, directory: Path, *, ends: bool) -> bool:
    """Whether the first run turned, the second raised nothing, and the third was rescued."""
    address, page = prepare(port, directory)
    # First of all: who waits wants to look.
    print(f"ganwatch: {page}\n", flush=True)
    with processes() as started:
        service = Service(address, port, directory)
        started.append(service)
        service.wait_until_ready()
        trainings = []
        for position, name in enumerate(RUNS):
            trainings.append(begin(name, position, address, directory))
            started.append(trainings[-1])
        train(trainings, service)
        settle(trainings, service, address, directory)
        for training in trainings:
            training.bar.close()
        print_table(trainings)
        collapsing, healthy, rescued = trainings
        is_as_promised = has_turned(collapsing) and not healthy.alerts and was_rescued(rescued)
        if not is_as_promised:
            print(
                f"\nThis is not as promised: {COLLAPSES} should have turned, {STAYS_HEALTHY} not, and "
                f"{IS_RESCUED} should have been brought back."
            )
        if not ends:
            print(f"\nLook at it: {page}\nCtrl-C ends the service.", flush=True)
            with suppress(KeyboardInterrupt):
                while True:
                    service.keep_alive()
                    time.sleep(PAUSE)
    return is_as_promised


def prepare(port: int, directory: Path) -> tuple[Address, str]:
    """The service's address, and the link that opens its page."""
    settings = load_settings(port=port, data_dir=directory)
    settings.prepare_data_dir()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as problem:
            raise DemoError(
                f"port {port} cannot be had ({problem.strerror}): stop what listens there, or take another "
                f"with make demo PORT={port + 1}"
            ) from None
    page = link(settings)
    address = server_address(page, None)
    assert address is not None
    return address, page


def begin(name: str, position: int, address: Address, directory: Path) -> Training:
    folder = directory / "trainings" / f"demo-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{name}"
    folder.mkdir(parents=True)
    environment = {
        # Small networks on small images: a second thread costs more than it brings.
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "GANWATCH_SERVER": address.base,
        "GANWATCH_TOKEN": address.token or "",
        "GANWATCH_DIR": str(directory.absolute()),
    }
    arguments = [
        *RUNS[name],
        "--project",
        "demo",
        "--name",
        name,
        "--out",
        str(folder),
        "--device",
        "cpu",
        "--quiet",
    ]
    process = start([sys.executable, "-m", "trainer", *arguments], folder / "training.log", environment)
    bar = tqdm(
        total=RECIPES[RUNS[name][0]]().epochs,
        desc=f"{name:<{len(IS_RESCUED)}}",
        position=position,
        unit="epoch",
        disable=None,  # where nobody looks
    )
    return Training(name, folder, process, bar)


def train(trainings: list[Training], service: Service) -> None:
    while sum(training.is_training() for training in trainings):
        service.keep_alive()
        for training in trainings:
            training.look(service)
        time.sleep(PAUSE)


def settle(trainings: list[Training], service: Service, address: Address, directory: Path) -> None:
    """Until the service has all of the runs, and has judged it."""
    deadline = time.monotonic() + SETTLE
    while not all(training.is_settled() for training in trainings):
        if time.monotonic() > deadline:
            late = ", ".join(training.name for training in trainings if not training.is_settled())
            raise DemoError(
                f"the service has not received and judged all of {late} within {SETTLE} s: "
                f"what it said is in {service.log}"
            )
        service.keep_alive()
        # What a training could not deliver in its last seconds, because the service was away.
        transport = HttpTransport(address)
        for _ in deliver_orphans(directory, transport, lambda meant: meant == address.base):
            pass
        transport.close()
        for training in trainings:
            training.look(service)
        time.sleep(PAUSE)


def print_table(trainings: list[Training]) -> None:
    print(f"\n{'run':<14}{'epochs':>7}{'S of G':>9}{'S of D':>9}{'Q':>6}{'D':>6}  alerts")
    for training in trainings:
        last = {name: number(value) for name, value in training.state["last"].items()}
        told = "; ".join(in_short(alert) for alert in training.alerts) or "none"
        print(
            f"{training.name:<14}{training.bar.n:>7}{last['S_G'] + '°':>9}{last['S_D'] + '°':>9}"
            f"{last['Q']:>6}{last['D']:>6}  {told}"
        )
    for training in trainings:
        for alert in training.alerts:
            print(f"\n{training.name}: {alert['sentence']}")
        for attempt in training.state["attempts"]:
            if attempt["brought"]:
                print(f"\n{training.name}: {attempt['reason']}. {account(attempt['brought'])}")


def account(brought: dict[str, dict[str, Any]]) -> str:
    return "; ".join(
        f"{name} was {number(level['before'])}, fell to {number(level['turn'])}, is {number(level['now'])}"
        for name, level in brought.items()
    )


def start(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, so that Ctrl-C reaches the demo alone, which ends them in order."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextmanager
def processes() -> Iterator[list[Service | Training]]:
    """Ends them, the first one last: a training delivers its last points to a service that is still there."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, leave)
    started: list[Service | Training] = []
    try:
        yield started
    finally:
        for group in (started[1:], started[:1]):
            for owner in group:
                owner.process.terminate()
            for owner in group:
                try:
                    owner.process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    owner.process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Three GANs, watched: one collapses, one stays healthy, one collapses and is rescued."
    )
    parser.add_argument("--port", type=int, default=os.environ.get("PORT") or "8765")
    parser.add_argument(
        "--data-dir", type=Path, default=Path(".ganwatch"), help="database, token, spools, checkpoints"
    )
    parser.add_argument(
        "--exit", action="store_true", help="end after the table; 0 only if it went as promised"
    )
    asked = parser.parse_args()
    try:
        is_as_promised = demo(asked.port, asked.data_dir, ends=asked.exit)
    except (DemoError, Misuse) as problem:
        sys.exit(f"demo: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if is_as_promised else 1)


if __name__ == "__main__":
    main()
