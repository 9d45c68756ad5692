"""How good the turning-point detector is, with counts and intervals, and traces to judge it by.

    python -m benchmarks.turning_points score --traces ../shared/turning_points/traces
    python -m benchmarks.turning_points score --traces DIR --by configuration --leave-out
    python -m benchmarks.turning_points make --traces DIR --images ../shared/data --count 30

``score`` replays every trace record by record. Found: an alert from 3 records before the labelled onset to 20
after it; a false alarm: one on a healthy record; again: a further alert after the first; signals: how many of
the named ones had moved (precision), and how many of those that had moved are named (recall). Intervals are
Wilson's for shares and Garwood's exact ones for rates, both 95 %.

``--leave-out`` asks whether the detector was fitted to the configurations that it is scored on: for each one,
the thresholds that do best on all others are chosen from a grid around ours, and score the one left out.

``make`` trains small convolutional GANs until they collapse by themselves, or do not (``natural_traces.py``).
Each takes a minute or two on a core; a second call goes on where the first ended, and several may be run with
folders of their own.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from monitor.detection import channel, turning_point
from monitor.detection.false_alarms import poisson_interval, wilson_interval
from monitor.detection.guarantee import Guarantee
from monitor.detection.turning_point import TurningPointDetector

#: Records before the onset that still count as finding it; the aim; and what counts as finding it late.
EARLY, SOON, LATE = 3, 20, 60
#: What is varied when a configuration is left out: evidence, window, expiry.
GRID: Mapping[str, tuple[Any, Sequence[float]]] = {
    "PATIENT": (turning_point, (5.5, 6.5, 7.5)),
    "WINDOW": (channel, (20, 24, 30)),
    "EXPIRY": (channel, (30, 40, 55)),
}


@dataclass(frozen=True)
class Trace:
    name: str
    meta: Mapping[str, Any]
    records: Sequence[Mapping[str, float]]
    label: Mapping[str, Any]

    @property
    def source(self) -> str:
        return str(self.meta.get("source", "real"))

    @property
    def configuration(self) -> str:
        parts = (self.meta.get(key) for key in ("dataset", "loss", "reg"))
        return str(self.meta.get("kind") or "/".join(str(part) for part in parts))


@dataclass
class Score:
    turns: int = 0
    found: int = 0
    delays: list[int] = field(default_factory=list)
    false: int = 0
    healthy: int = 0
    again: int = 0
    precision: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    false_marks: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            *(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True))
        )


def load(folder: Path) -> Iterator[Trace]:
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    for name, label in sorted(labels.items()):
        with np.load(folder / f"{name}.npz") as stored:
            arrays = {key: stored[key] for key in stored.files}
        meta = json.loads(str(arrays.pop("meta")))
        columns = {key: array.astype(float).tolist() for key, array in arrays.items()}
        length = len(next(iter(columns.values())))
        records = [{key: column[i] for key, column in columns.items()} for i in range(length)]
        yield Trace(name, meta, records, label)


def score(trace: Trace) -> Score:
    """What one trace says of the detector, by the rules of the module's text."""
    told = {"m": trace.meta.get("m"), "n_eval": trace.meta.get("n_eval")}
    detector, guarantee = TurningPointDetector(told), Guarantee(told)
    alerts = []
    marks = []
    for index, record in enumerate(trace.records):
        alert = detector.update(record)
        if alert is not None and alert["state"] == "firing":
            alerts.append((index, alert))
        if guarantee.update(record):
            marks.append(index)
    kind, onset = trace.label["cls"], trace.label.get("onset")
    if kind in {"healthy", "transient"}:
        return Score(false=len(alerts), healthy=len(trace.records), false_marks=len(marks))
    if kind not in {"turning", "partial"}:
        return Score()
    healthy = max(0, onset - EARLY)
    result = Score(
        false=sum(index < healthy for index, _ in alerts),
        healthy=healthy,
        false_marks=sum(mark < healthy for mark in marks),
    )
    if kind == "turning":
        result.turns = 1
        _score_turn(result, trace, [entry for entry in alerts if entry[0] >= healthy])
        result.marks = [mark - onset for mark in marks if onset <= mark <= onset + LATE][:1]
    return result


def _score_turn(result: Score, trace: Trace, alerts: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    onset, moved = trace.label["onset"], set(trace.label["moved"])
    if not alerts or alerts[0][0] > onset + LATE:
        return
    index, alert = alerts[0]
    delay, named = max(0, index - onset), set(alert["signals"])
    result.delays = [delay]
    result.found = int(delay <= SOON)
    result.again = len(alerts) - 1
    if moved:
        result.precision = [len(named & moved) / max(1, len(named))]
        result.recall = [len(named & moved) / len(moved)]


def print_scores(groups: Mapping[str, Sequence[Trace]]) -> None:
    width = max(12, *(len(name) for name in groups)) + 1
    head = f"{'found in 20':>12}{'95 %':>14}{'median, 90 %':>14}{'false / healthy':>17}{'in 1000, 95 %':>24}"
    print(
        f"{'':<{width}}{head}{'again':>7}{'signals P, R':>14}{'marked':>9}{'delay':>7}{'false':>7}{'us':>6}"
    )
    for name, traces in groups.items():
        began = time.process_time()
        total = sum((score(trace) for trace in traces), Score())
        spent = 1e6 * (time.process_time() - began) / sum(len(trace.records) for trace in traces)
        print(f"{name:<{width}}{_line(total)}{spent:>6.0f}")


def _line(total: Score) -> str:
    low, high = wilson_interval(total.found, total.turns)
    least, most = (1000 * bound / max(1, total.healthy) for bound in poisson_interval(total.false))
    rate = 1000 * total.false / max(1, total.healthy)
    delays = [*sorted(total.delays), *[math.inf] * (total.turns - len(total.delays))]
    found = [statistics.median(delays), delays[math.ceil(0.9 * len(delays)) - 1]] if delays else []
    right = [statistics.fmean(values) for values in (total.precision, total.recall) if values]
    marked = statistics.median(total.marks) if total.marks else math.nan
    return (
        f"{f'{total.found}/{total.turns}':>12}{f'{low:.3f}-{high:.3f}':>14}"
        f"{', '.join(f'{delay:g}' for delay in found):>14}{f'{total.false}/{total.healthy}':>17}"
        f"{f'{rate:.3f} ({least:.3f}-{most:.3f})':>24}{total.again:>7}"
        f"{', '.join(f'{share:.3f}' for share in right):>14}"
        f"{f'{len(total.marks)}/{total.turns}':>9}{marked:>7g}{total.false_marks:>7}"
    )


def leave_out(traces: Sequence[Trace]) -> None:
    """Choose thresholds without a configuration and score it with them; all configurations together."""
    settings = list(product(*(values for _, values in GRID.values())))
    by_setting = {setting: _scores_with(setting, traces) for setting in settings}
    configurations = sorted(by_setting[settings[0]])
    total, chosen = Score(), defaultdict(int)
    for left_out in configurations:
        best = max(settings, key=lambda setting: _merit(by_setting[setting], without=left_out))
        chosen[best] += 1
        total += by_setting[best][left_out]
    print(
        f"\n{len(configurations)} configurations, each scored with the thresholds that do best on all others:"
    )
    print(_line(total))
    for setting, count in sorted(chosen.items(), key=lambda item: -item[1]):
        print(f"  {count:>3} times", dict(zip(GRID, setting, strict=True)))
    ours = tuple(getattr(module, name) for name, (module, _) in GRID.items())
    print("as it is:", dict(zip(GRID, ours, strict=True)))
    print(_line(sum((_scores_with(ours, traces)[name] for name in configurations), Score())))


def _scores_with(setting: Sequence[float], traces: Sequence[Trace]) -> dict[str, Score]:
    before = {name: getattr(module, name) for name, (module, _) in GRID.items()}
    try:
        for (name, (module, _)), value in zip(GRID.items(), setting, strict=True):
            setattr(module, name, value)
        scores: dict[str, Score] = defaultdict(Score)
        for trace in traces:
            scores[trace.configuration] += score(trace)
        return scores
    finally:
        for name, (module, _) in GRID.items():
            setattr(module, name, before[name])


def _merit(scores: Mapping[str, Score], without: str) -> float:
    """Share found, less what false alarms cost: one more in 1000 healthy records is as bad as missing all."""
    rest = sum((found for name, found in scores.items() if name != without), Score())
    return rest.found / max(1, rest.turns) - 1000 * rest.false / max(1, rest.healthy) - sum(rest.delays) / 1e5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    scoring = commands.add_parser("score", help="score the detector on traces")
    scoring.add_argument("--by", choices=["source", "configuration"], default="source")
    scoring.add_argument("--leave-out", action="store_true", help="leave out one configuration at a time")
    making = commands.add_parser("make", help="make traces of natural collapses")
    making.add_argument(
        "--images", type=Path, default=Path("../shared/data"), help="where CIFAR-10 and faces lie"
    )
    making.add_argument("--count", type=int, default=30)
    making.add_argument("--epochs", type=int, default=100)
    for command in (scoring, making):
        command.add_argument("--traces", type=Path, required=True)
    asked = parser.parse_args()
    if asked.command == "make":
        from benchmarks.natural_traces import make  # noqa: PLC0415 - scoring needs no torch

        make(asked.traces, asked.images, count=asked.count, epochs=asked.epochs)
    traces = list(load(asked.traces))
    key: Callable[[Trace], str] = (
        (lambda trace: trace.configuration)
        if vars(asked).get("by") == "configuration"
        else lambda trace: trace.source
    )
    groups: dict[str, list[Trace]] = {"all": traces}
    for trace in sorted(traces, key=key):
        groups.setdefault(key(trace), []).append(trace)
    print_scores(groups)
    if vars(asked).get("leave_out"):
        leave_out(traces)


if __name__ == "__main__":
    main()
