"""gantrain as a process of its own, small and offline."""

import multiprocessing
import os
from dataclasses import dataclass
from io import FileIO
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from trainer.cli import main

ROOT = Path(__file__).parents[2]
#: About 7 steps an epoch, in a few milliseconds each.
SMALL = [
    *("--batch.g", "8", "--batch.d", "256", "--network.width-g", "2", "--network.width-d", "2"),
    *("--checkpoints.every", "1", "--device", "cpu"),
]
#: Slow to load, so loaded once, in a process from which the trainings are forked.
LOADED = [__name__, "trainer.session", "sklearn.datasets"]


@dataclass(frozen=True)
class Ended:
    returncode: int
    stderr: str


def environment(home: Path) -> dict[str, str]:
    left_out = ("GANWATCH", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"GANWATCH_DIR": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def gantrain(home: Path, *arguments: str) -> Ended:
    process, printed = start(home, *arguments)
    with printed:
        said = printed.read()
    return Ended(status(process), said.decode())


def interrupted(home: Path, after: str, signal: int, *arguments: str) -> tuple[int, str]:
    """Starts gantrain, sends the signal as soon as it has printed ``after``; its exit status and what it
    printed.
    """
    process, output = start(home, *arguments)
    assert process.pid is not None
    with output:
        printed = b""
        while after.encode() not in printed:
            piece = output.read(64)
            assert piece, f"it ended before it printed {after}: {printed.decode()}"
            printed += piece
        os.kill(process.pid, signal)
        printed += output.read()
    return status(process), printed.decode()


def start(home: Path, *arguments: str) -> tuple[BaseProcess, FileIO]:
    """The process, and what it prints."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=train, args=(home, arguments, sender))
    process.start()
    sender.close()
    with receiver:
        return process, FileIO(os.dup(receiver.fileno()))


def train(home: Path, arguments: tuple[str, ...], output: Connection) -> None:
    """What ``python -m trainer`` does, in ``home`` and into ``output``."""
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    os.chdir(home)
    for name in os.environ.keys() - environment(home).keys():
        del os.environ[name]
    os.environ.update(environment(home))
    torch.set_num_threads(1)
    main(arguments)


def status(process: BaseProcess) -> int:
    process.join(240)
    assert process.exitcode is not None
    return process.exitcode
