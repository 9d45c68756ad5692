"""What rescues a GAN that has turned: real collapses on handwritten digits, and what remedies make of them.

    python -m benchmarks.rescue                       # 20 collapses, every remedy: hours on one core
    python -m benchmarks.rescue --collapses 3 --arms untreated gn-fresh
    python -m benchmarks.rescue --table               # only what is there already

Every candidate (a loss, a learning rate, a seed) is trained under the real detector until it turns; one that
does not within its epochs, or before it has trained well for ``STEADY`` of them, counts for nothing. Each
collapse is then gone on with in several ways, all for the same total of generator steps: ``AFTER`` epochs
after the alert *untreated*, and as many from the last checkpoint before the onset with a remedy (the
checkpoint is the one that the trainer's ring kept when the alert came). ``rollback`` changes nothing but the
random numbers.

Healed: the medians of Q and D over the last 10 records both reach 95 % of the best level before the onset
(the best median of 10 records in a row). ``again``: the detector, which knows of the remedy, raised another
alert. Intervals are Wilson's, 95 %. Everything done is a line of ``--results``: a second call goes on where
the first ended.
"""

import argparse
import json
import math
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.demo_seeds import WatchedRun
from monitor.detection.records import Record
from monitor.detection.turning_point import TurningPointDetector
from trainer import data
from trainer.checkpoint import Checkpoint, CheckpointDirectory, Keeps, Retention, Stateful, read
from trainer.config import Config, LearningRate, Rescue
from trainer.data import ImageSet
from trainer.following import Nowhere
from trainer.loop import train
from trainer.recipes import RECIPES
from trainer.rescue import gone_back
from trainer.schedule import Schedule
from trainer.stopping import Stopping
from trainer.watching import probes

#: Epochs after the alert, and after going back.
AFTER: Final = 45
#: Epochs that a candidate has to turn in, after so many that it trained well for.
PATIENCE: Final = 100
STEADY: Final = 20
#: Records of a level, and the share of it that is health.
LEVEL, HEALTH = 10, 0.95

#: Losses and learning rates that collapse by themselves.
CANDIDATES: Final = (
    ("ls", 8e-3),
    ("ns", 1.6e-2),
    ("ls", 6e-3),
    ("ns", 2.4e-2),
    ("ls", 1.2e-2),
    ("ns", 1.2e-2),
)
#: In the order in which they are tried on all collapses.
ARMS: Final[dict[str, Rescue | None]] = {
    "untreated": None,
    "gn-fresh": Rescue(remedies=("gn",), optimizers="fresh"),
    "rollback": Rescue(remedies=("rollback",)),
    "gn-kept": Rescue(remedies=("gn",), optimizers="kept"),
    "lr-fresh": Rescue(remedies=("lr",), optimizers="fresh"),
    "gp-fresh": Rescue(remedies=("gp",), optimizers="fresh"),
    "lr-kept": Rescue(remedies=("lr",), optimizers="kept"),
    "gp-kept": Rescue(remedies=("gp",), optimizers="kept"),
    "gn+lr-fresh": Rescue(remedies=("gn+lr",), optimizers="fresh"),
}


@dataclass(frozen=True)
class Candidate:
    loss: str
    rate: float
    seed: int

    @property
    def key(self) -> str:
        return f"{self.loss}-{self.rate:g}-{self.seed}"

    def config(self) -> Config:
        """As it is trained, with a ring of checkpoints."""
        return replace(
            RECIPES[f"digits-{self.loss}gan"](),
            lr=LearningRate(g=self.rate, d=self.rate),
            seed=self.seed,
            epochs=PATIENCE + AFTER,
            on_turning_point="rescue",
        )


def candidates() -> Iterator[Candidate]:
    for seed in range(100):
        for loss, rate in CANDIDATES:
            yield Candidate(loss, rate, seed)


class Kept:
    """The ring, and once the run has turned the checkpoint that a rescue would begin from."""

    def __init__(self, run: WatchedRun, ring: CheckpointDirectory, schedule: Schedule, place: Path) -> None:
        self.run, self.ring, self.schedule, self.place = run, ring, schedule, place
        self.step: int | None = None

    def save(self, step: int, config: Config, parts: Mapping[str, Stateful], retention: Retention) -> None:
        if self.step is not None:
            return
        self.ring.save(step, config, parts, retention)
        if self.run.alerts:
            onset = self.run.records[self.run.alerts[0]["onset"]]["epoch"]
            # An epoch ends with its record: the checkpoint of the epoch before is the last from before it.
            found = next(p for p in self.ring.newest_first() if self.schedule.epoch(step_in(p)) < onset)
            self.place.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, self.place)
            self.step = step_in(found)


def step_in(path: Path) -> int:
    return int(path.name.split(".")[0].removeprefix("step-"))


def until_it_turns(candidate: Candidate, place: Path) -> dict[str, Any]:
    """Trains a candidate, and beyond its turning point as long as the others; see the module."""
    config, run = candidate.config(), WatchedRun()
    images = data.load(config)
    schedule = Schedule(config, len(images))

    def over() -> str | None:
        last = run.alerts[0]["detected"] + AFTER if run.alerts else PATIENCE
        return "over" if len(run.records) > last else None

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        kept = Kept(run, CheckpointDirectory(Path(folder)), schedule, place / candidate.key)
        go_on(config, images, run, kept, over=over)
    alert = run.alerts[0] if run.alerts else None
    turned = alert is not None and kept.step is not None and alert["onset"] >= STEADY
    found: dict[str, Any] = {"candidate": candidate.key, "arm": "untreated", "turned": turned}
    if alert is None or kept.step is None or not turned:
        return found
    return found | {
        "onset": alert["onset"],
        "alert": alert["detected"],
        "back_to": schedule.epoch(kept.step),
        "records": run.records[: alert["detected"] + AFTER + 1],
        "seconds": round(time.monotonic() - began, 1),
    }


def rescued(candidate: Candidate, arm: str, place: Path) -> dict[str, Any]:
    """Goes back and on with a remedy, for as many epochs as the untreated one had after its alert."""
    rescue = ARMS[arm]
    assert rescue is not None
    config, run = replace(candidate.config(), rescue=rescue).rescued(), WatchedRun()
    (path,) = (place / candidate.key).glob("step-*.pt")
    resume = gone_back(read(path), config)
    began = time.monotonic()

    def over() -> str | None:
        return "over" if len(run.records) >= AFTER else None

    go_on(config, data.load(config), run, Nowhere(), over=over, resume=resume)
    return {
        "candidate": candidate.key,
        "arm": arm,
        "records": run.records[:AFTER],
        "seconds": round(time.monotonic() - began, 1),
    }


def go_on(
    config: Config,
    images: ImageSet,
    run: WatchedRun,
    checkpoints: Keeps,
    *,
    over: Callable[[], str | None],
    resume: Checkpoint | None = None,
) -> None:
    class Patient(Stopping):
        """Not by the run, which would stop soon after its alert."""

        def asked(self) -> str | None:
            return over()

    train(
        config,
        images,
        run,
        watch_with=probes,
        checkpoints=checkpoints,
        stopping=Patient(run),
        device=torch.device("cpu"),
        resume=resume,
        quiet=True,
    )
    run.judge()


# -- what came of it -------------------------------------------------------------------------------------


def levels(records: Sequence[Record], name: str) -> list[float]:
    """The median of each ``LEVEL`` records in a row."""
    values = [record[name] for record in records]
    return [statistics.median(values[i : i + LEVEL]) for i in range(max(len(values) - LEVEL + 1, 1))]


def shares(collapse: Mapping[str, Any], records: Sequence[Record]) -> dict[str, float]:
    """The last level of Q and of D, as shares of the best before the onset."""
    before = collapse["records"][: collapse["onset"]]
    return {name: levels(records, name)[-1] / max(levels(before, name)) for name in ("Q", "D")}


def turned_again(collapse: Mapping[str, Any], records: Sequence[Record]) -> bool:
    """Whether the detector, which read what came before and knows of the remedy, raised another alert."""
    detector = TurningPointDetector({"ln_m": math.log(10), "n_eval": 1000})
    for record in collapse["records"][: collapse["back_to"]]:
        detector.update(record)
    alerts = [detector.update(record | {"intervention": float(i == 0)}) for i, record in enumerate(records)]
    return any(alert is not None and alert["state"] == "firing" for alert in alerts)


def wilson(healed: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z = 1.959964
    middle, spread = (
        healed / n + z * z / (2 * n),
        z * math.sqrt(healed * (n - healed) / n**3 + z * z / (4 * n * n)),
    )
    return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


def print_table(results: Sequence[Mapping[str, Any]]) -> None:
    collapses = {found["candidate"]: found for found in results if found.get("turned")}
    tried = sum(found["arm"] == "untreated" for found in results)
    print(
        f"{len(collapses)} of {tried} candidates turned; {AFTER} epochs after the alert or after going back"
    )
    for key, found in collapses.items():
        print(
            f"  {key:<12} onset {found['onset'] + 1:>3}, alert {found['alert'] + 1:>3}, back to "
            f"{found['back_to']:>3}"
        )
    print(
        f"\n{'':<14}{'healed':>10}{'95 % interval':>16}{'again':>8}{'Q':>7}{'D':>7}   (medians of the shares)"
    )
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for found in results:
        if found["candidate"] in collapses:
            groups[found["arm"]].append(found)
    for arm in ARMS:
        if not groups[arm]:
            continue
        compared = [
            (
                collapses[found["candidate"]],
                after_the_alert(found) if arm == "untreated" else found["records"],
            )
            for found in groups[arm]
        ]
        reached = [shares(collapse, records) for collapse, records in compared]
        healed = sum(min(share.values()) >= HEALTH for share in reached)
        again = "" if arm == "untreated" else str(sum(turned_again(*pair) for pair in compared))
        low, high = wilson(healed, len(reached))
        print(
            f"{arm:<14}{f'{healed} of {len(reached)}':>10}{f'{low:.2f} to {high:.2f}':>16}{again:>8}"
            f"{statistics.median(share['Q'] for share in reached):>7.2f}"
            f"{statistics.median(share['D'] for share in reached):>7.2f}"
        )


def after_the_alert(untreated: Mapping[str, Any]) -> list[Record]:
    records: list[Record] = untreated["records"][untreated["alert"] + 1 :]
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description="What rescues a GAN that has turned.")
    parser.add_argument("--collapses", type=int, default=20)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--results", type=Path, default=Path(".ganwatch/rescue.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print what is there already")
    asked = parser.parse_args()
    lines = asked.results.read_text().splitlines() if asked.results.exists() else []
    results: list[dict[str, Any]] = [json.loads(line) for line in lines]
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    place = asked.results.with_suffix("")

    def book(found: dict[str, Any]) -> None:
        results.append(found)
        with asked.results.open("a") as file:
            file.write(json.dumps(found) + "\n")
        told = {key: value for key, value in found.items() if key != "records"}
        print(json.dumps(told), flush=True)

    if not asked.table:
        torch.set_num_threads(1)
        collapses = find_collapses(asked.collapses, results, book, place)
        for arm in asked.arms:
            done = {found["candidate"] for found in results if found["arm"] == arm}
            for candidate in collapses:
                if candidate.key not in done:
                    book(rescued(candidate, arm, place))
    print_table(results)


def find_collapses(
    wanted: int, results: Sequence[Mapping[str, Any]], book: Callable[[dict[str, Any]], None], place: Path
) -> list[Candidate]:
    known = {found["candidate"]: bool(found["turned"]) for found in results if found["arm"] == "untreated"}
    turned: list[Candidate] = []
    for candidate in candidates():
        if len(turned) == wanted:
            break
        if candidate.key not in known:
            found = until_it_turns(candidate, place)
            book(found)
            known[candidate.key] = bool(found["turned"])
        if known[candidate.key]:
            turned.append(candidate)
    return turned


if __name__ == "__main__":
    main()
