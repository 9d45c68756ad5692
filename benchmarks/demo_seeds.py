"""How surely the demo happens: its two recipes, trained with many seeds at several numbers of threads.

    python benchmarks/demo_seeds.py                                # 20 seeds at 1, 2 and 4 threads: hours
    python benchmarks/demo_seeds.py --seeds 3 --threads 1
    python benchmarks/demo_seeds.py --table                        # only what is there already

Each trial is the real recipe under the real detector, which reads one record an evaluation mark while it
trains, as the service would. A training is stopped a few epochs after its alert; one without an alert goes
to the end of its budget. Every trial is a line of ``--results``: a second call goes on where the first
ended, and lines of another configuration than today's count for nothing. Nothing is compared with: the table
shows in how many trainings the alert came, and when the collapse began (``onset``), in epochs.
"""

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from monitor.detection.records import SINCE_THE_MARK, EvaluationMark, Record, assemble
from monitor.detection.turning_point import TurningPointDetector
from trainer import data
from trainer.checkpoint import CheckpointDirectory
from trainer.config import Checkpoints, Config, to_dict
from trainer.loop import train
from trainer.recipes import RECIPES
from trainer.stopping import Stopping
from trainer.watching import probes

#: Epochs that a training goes on after its alert, to show that what was lost stays lost.
AFTER_THE_ALERT = 5
#: What a CPU trains in a minute or two.
DIGITS = [name for name in sorted(RECIPES) if name.startswith("digits-")]


@dataclass(frozen=True)
class Stop:
    id: str = "stop"
    kind: str = "stop"
    parameters: Mapping[str, Any] = field(default_factory=dict)


class WatchedRun:
    """A run that feeds the detector at once what it is told, and asks to stop soon after an alert."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.alerts: list[dict[str, Any]] = []
        self._roles: dict[str, str] = {}
        self._meta: dict[str, Any] = {}
        self._detector: TurningPointDetector | None = None
        self._mark: EvaluationMark | None = None
        self._marks = 0
        self._at_mark: dict[str, float] = {}
        #: What happened since the mark before the newest, and since the newest.
        self._before: dict[str, list[float]] = {}
        self._since: dict[str, list[float]] = defaultdict(list)

    def declare(self, name: str, *, role: str | None = None, **facts: Any) -> None:
        if role is not None:
            self._roles[name] = role
        if role == "D":
            self._meta |= {"m": facts["m"], "n_eval": facts["n"]}

    def log(self, values: Mapping[str, Any], *, step: int, mark: int | None = None) -> None:
        del step
        for name, value in values.items():
            role = self._roles.get(name)
            if role is not None and mark is not None:
                self._at_mark[role] = float(value)
            elif role in SINCE_THE_MARK:
                self._since[role].append(float(value))

    def log_distribution(self, name: str, values: Mapping[str, Any], *, step: int) -> None:
        self.log({name: values["mean"]}, step=step)

    def log_images(self, name: str, images: Any, **facts: Any) -> None:
        pass

    def mark(
        self,
        *,
        step: int,
        epoch: float | None = None,
        images_seen: int | None = None,
        expects: Sequence[str] = (),
    ) -> int:
        del images_seen
        self.judge()
        self._mark = EvaluationMark(0, self._marks, step, epoch, frozenset(expects))
        self._before, self._since, self._at_mark = self._since, defaultdict(list), {}
        self._marks += 1
        return self._mark.index

    def judge(self) -> None:
        """Hands the detector the record of the newest mark: all that names the mark has been logged."""
        if self._mark is None:
            return
        self._detector = self._detector or TurningPointDetector(self._meta)
        self.records.append(assemble(self._mark, self._at_mark, self._before))
        self._mark = None
        alert = self._detector.update(self.records[-1])
        if alert is not None and alert["state"] == "firing":
            self.alerts.append(alert)

    def commands(self) -> list[Stop]:
        enough = bool(self.alerts) and len(self.records) > self.alerts[0]["detected"] + AFTER_THE_ALERT
        return [Stop()] if enough else []

    def acknowledge(
        self, command: str, outcome: Literal["done", "failed", "ignored"], detail: str = "", /
    ) -> None:
        pass


def trial(config: Config, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    run = WatchedRun()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        train(
            replace(config, checkpoints=Checkpoints(every=10**6)),
            data.load(config),
            run,
            watch_with=probes,
            checkpoints=CheckpointDirectory(Path(folder)),
            stopping=Stopping(run),
            device=torch.device("cpu"),
            quiet=True,
        )
    run.judge()
    last, alert = run.records[-1], run.alerts[0] if run.alerts else None
    return {
        "recipe": config.recipe,
        "seed": config.seed,
        "threads": threads,
        "configuration": fingerprint(config),
        "epochs": len(run.records),
        "seconds": round(time.monotonic() - began, 1),
        "onset": alert and run.records[alert["onset"]]["epoch"],
        "alert": alert and run.records[alert["detected"]]["epoch"],
        "sentence": alert and alert["sentence"],
        "Q": round(last["Q"], 3),
        "D": round(last["D"], 3),
    }


def fingerprint(config: Config) -> str:
    """Of all that decides a training, but its seed."""
    return hashlib.sha256(json.dumps(to_dict(replace(config, seed=0)), sort_keys=True).encode()).hexdigest()[
        :12
    ]


def read(results: Path) -> Iterator[dict[str, Any]]:
    """The trials of today's configurations."""
    for line in results.read_text().splitlines() if results.exists() else []:
        found = json.loads(line)
        if found["configuration"] == fingerprint(RECIPES[found["recipe"]]()):
            yield found


def print_table(trials: Sequence[Mapping[str, Any]]) -> None:
    print(f"{'recipe':<14}{'threads':>8}{'seeds':>7}{'alerts':>8}{'onset: first, median, last':>28}", end="")
    print(f"{'alert after':>13}{'Q':>7}{'D':>7}{'s/epoch':>9}")
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for found in trials:
        groups[found["recipe"], found["threads"]].append(found)
    for (recipe, threads), group in sorted(
        groups.items(), key=lambda item: (item[0][0] != "digits-lsgan", item[0])
    ):
        turned = [found for found in group if found["alert"] is not None]
        onsets = sorted(found["onset"] for found in turned)
        when = f"{onsets[0]:.0f}, {statistics.median(onsets):.0f}, {onsets[-1]:.0f}" if turned else "-"
        delay = f"{max(found['alert'] - found['onset'] for found in turned):.0f} at most" if turned else "-"
        medians = {key: statistics.median(found[key] for found in group) for key in ("Q", "D")}
        seconds = statistics.median(found["seconds"] / found["epochs"] for found in group)
        print(f"{recipe:<14}{threads:>8}{len(group):>7}{len(turned):>8}{when:>28}{delay:>13}", end="")
        print(f"{medians['Q']:>7.2f}{medians['D']:>7.2f}{seconds:>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="In how many of the demo's trainings the alert comes, and when."
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--recipes", nargs="+", default=["digits-lsgan", "digits-gn"], choices=DIGITS)
    parser.add_argument("--results", type=Path, default=Path(".ganwatch/demo_seeds.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print what is there already")
    asked = parser.parse_args()

    trials = list(read(asked.results))
    known = {(found["recipe"], found["seed"], found["threads"]) for found in trials}
    wanted = [
        (recipe, seed, threads)
        for seed in range(asked.seeds)
        for threads in asked.threads
        for recipe in asked.recipes
        if (recipe, seed, threads) not in known and not asked.table
    ]
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    for recipe, seed, threads in wanted:
        found = trial(replace(RECIPES[recipe](), seed=seed), threads)
        with asked.results.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(json.dumps(found), flush=True)
        trials.append(found)
    print_table(trials)


if __name__ == "__main__":
    main()
