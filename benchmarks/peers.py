"""ganwatch beside the trackers that people use today, measured in one run on this machine.

    make bench-peers                                  # makes .cache/peers, their environment, and runs this
    python -m benchmarks.peers [--steps 2000] [--spiked 100000] [--python .cache/peers/bin/python] [NAME ...]

Each logs 50 scalars a step, in a process of its own, and in another one series with 20 single-step spikes.
Printed are what one call costs the training thread (p50, p99), CPU a scalar over all its processes until
everything is durable, durable scalars a second, bytes a point, and how many of the spikes its chart shows.
Only ganwatch goes over the network, and only it waits for the disk. Slow trackers take fewer steps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
#: And whether its chart can be asked for without a browser.
CHARTS = {"ganwatch": True, "trackio": False, "wandb": False, "tensorboard": True, "mlflow": False}
TRACKERS = tuple(CHARTS)
ENVIRONMENT = ROOT / ".cache" / "peers" / "bin" / "python"


def measure(name: str, python: Path, what: str, steps: int) -> dict[str, Any] | str:
    """Its figures, or why there are none."""
    interpreter = sys.executable if name == "ganwatch" else str(python)
    command = [interpreter, "-m", "benchmarks.trackers.measuring", name, what, str(steps)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    except OSError as error:
        return f"{error.strerror}: {interpreter}; `make bench-peers` makes the environment"
    except subprocess.TimeoutExpired:
        return "took more than half an hour"
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return (done.stderr.strip().splitlines() or ["ended without a word"])[-1]
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", default=TRACKERS, metavar="NAME", help=", ".join(TRACKERS))
    arguments.add_argument("--steps", type=int, default=2000, help="calls of log with 50 scalars")
    arguments.add_argument("--spiked", type=int, default=100_000, help="points of the series with spikes")
    arguments.add_argument("--python", type=Path, default=ENVIRONMENT, help="interpreter of the peers")
    chosen = arguments.parse_args()
    if unknown := set(chosen.names) - set(TRACKERS):
        arguments.error(f"no tracker of the name {', '.join(unknown)}; there are {', '.join(TRACKERS)}")
    heads = ("p50 µs", "p99 µs", "CPU µs", "scalars/s", "bytes", "spikes")
    print(f"{'':14}" + "".join(f"{head:>12}" for head in heads))
    for name in chosen.names:
        cost = measure(name, chosen.python, "cost", chosen.steps)
        chart = measure(name, chosen.python, "spikes", chosen.spiked) if CHARTS[name] else {}
        if isinstance(cost, str) or isinstance(chart, str):
            print(f"{name:14}  {cost if isinstance(cost, str) else chart}")
            continue
        spikes = f"{chart['kept']} of {chart['spikes']}" if chart else "-"
        print(
            f"{name:14}{cost['p50']:12,.1f}{cost['p99']:12,.1f}{cost['cpu']:12.2f}"
            f"{cost['rate']:12,.0f}{cost['bytes']:12.1f}{spikes:>12}  {cost['with']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
