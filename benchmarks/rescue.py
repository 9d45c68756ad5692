"""What rescues a GAN that has turned: real collapses on small images, and what remedies make of them.

    python -m benchmarks.rescue                       # 20 collapses, every remedy: hours on one core
    python -m benchmarks.rescue --collapses 3 --arms untreated gn-fresh
    python -m benchmarks.rescue --cifar10 cifar10_train.npz --collapses 3 --results cifar10.jsonl
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

The images are handwritten digits, or CIFAR-10 at 32 pixels, of which ``PART`` are trained on, so that an
epoch takes seconds; the judge is fitted on all.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.demo_seeds import WatchedRun
from benchmarks.rescue_table import print_table
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
from trainer.watching import Run, Subject, Watch, probes

#: Epochs after the alert, and after going back.
AFTER: Final = 45
#: Epochs that a candidate has to turn in, after so many that it trained well for.
PATIENCE: Final = 100
STEADY: Final = 20
#: Images of CIFAR-10 that are trained on.
PART: Final = 1000

#: Losses and learning rates that collapse by themselves.
DIGITS: Final = (
    ("ls", 8e-3),
    ("ns", 1.6e-2),
    ("ls", 6e-3),
    ("ns", 2.4e-2),
    ("ls", 1.2e-2),
    ("ns", 1.2e-2),
)
CIFAR10: Final = (("ls", 4e-3), ("ns", 4e-3))
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
    #: A packed .npz of CIFAR-10; None for the digits.
    cifar10: Path | None = None

    @property
    def key(self) -> str:
        return f"{'cifar10-' if self.cifar10 else ''}{self.loss}-{self.rate:g}-{self.seed}"

    def config(self) -> Config:
        """As it is trained, with a ring of checkpoints."""
        config = replace(
            RECIPES[f"digits-{self.loss}gan"](),
            lr=LearningRate(g=self.rate, d=self.rate),
            seed=self.seed,
            epochs=PATIENCE + AFTER,
            on_turning_point="rescue",
        )
        if self.cifar10 is None:
            return config
        network = replace(config.network, z_dim=64, width_g=8, width_d=8)
        return replace(config, dataset="images", data=self.cifar10, size=32, channels=3, network=network)


def candidates(cifar10: Path | None) -> Iterator[Candidate]:
    for seed in range(100):
        for loss, rate in CIFAR10 if cifar10 else DIGITS:
            yield Candidate(loss, rate, seed, cifar10)


def trained_on(config: Config, images: ImageSet) -> ImageSet:
    """All digits; of a larger set the same ``PART`` images always."""
    if config.dataset == "digits":
        return images
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:PART]
    return ImageSet(images.images[chosen], name=images.name)


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
    schedule = Schedule(config, len(trained_on(config, images)))

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

    def watch_with(run: Run, subject: Subject) -> Watch:
        return probes(run, replace(subject, images=images))

    train(
        config,
        trained_on(config, images),
        run,
        watch_with=watch_with,
        checkpoints=checkpoints,
        stopping=Patient(run),
        device=torch.device("cpu"),
        resume=resume,
        quiet=True,
    )
    run.judge()


def main() -> None:
    parser = argparse.ArgumentParser(description="What rescues a GAN that has turned.")
    parser.add_argument("--collapses", type=int, default=20)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument(
        "--cifar10", type=Path, metavar="NPZ", help="collapses on these images instead of the digits"
    )
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
        collapses = find_collapses(candidates(asked.cifar10), asked.collapses, results, book, place)
        for arm in asked.arms:
            done = {found["candidate"] for found in results if found["arm"] == arm}
            for candidate in collapses:
                if candidate.key not in done:
                    book(rescued(candidate, arm, place))
    print_table(results, list(ARMS), AFTER)


def find_collapses(
    tried: Iterable[Candidate],
    wanted: int,
    results: Sequence[Mapping[str, Any]],
    book: Callable[[dict[str, Any]], None],
    place: Path,
) -> list[Candidate]:
    known = {found["candidate"]: bool(found["turned"]) for found in results if found["arm"] == "untreated"}
    turned: list[Candidate] = []
    for candidate in tried:
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
