"""gantrain as a process of its own, small and offline."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: About 7 steps an epoch, in a few milliseconds each.
SMALL = [
    *("--batch.g", "64", "--batch.d", "256", "--network.width-g", "2", "--network.width-d", "2"),
    *("--checkpoints.every", "1", "--device", "cpu"),
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trainer", *arguments]


def environment(home: Path) -> dict[str, str]:
    left_out = ("GANWATCH", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"GANWATCH_DIR": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def gantrain(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def interrupted(home: Path, after: str, signal: int, *arguments: str) -> tuple[int, str]:
    """Starts gantrain, sends the signal as soon as it has printed ``after``; its exit status and what it
    printed.
    """
    with subprocess.Popen(
        command(*arguments), cwd=home, env=environment(home), stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stderr is not None
        printed = b""
        while after.encode() not in printed:
            piece = process.stderr.read(64)
            assert piece, f"it ended before it printed {after}: {printed.decode()}"
            printed += piece
        process.send_signal(signal)
        printed += process.stderr.read()
    return process.returncode, printed.decode()
