"""``ganwatch rules``: what rules would have said of a run that is stored, or of a log that lies there.

The points go through the same engine in the same order as they would in the service, a few rows at a time.
What only the service knows is left out: lost runs, turning points (``ganwatch detect``), and which runs a
``project`` or ``filter`` means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from monitor.alerts.rulebook import read_rules_file
from monitor.client.address import Address, needed_address
from monitor.commands.asking import ask
from monitor.detection.rules.parsing import parse_rule
from monitor.detection.rules.rule import Rule
from monitor.detection.rules.series_watch import Points
from monitor.detection.rules.watching import Event, RuleWatch
from monitor.detection.rules.wording import reason_of, sentence_of, where
from monitor.errors import Misuse
from monitor.interop.evaluations import Evaluations
from monitor.interop.logs import FORMATS, LeftOut, Log, find_logs
from monitor.interop.records import Distribution, Note, Scalars, Unreadable
from monitor.reading import ReadError, read

Tell = Callable[[str], object]

#: Distinct steps that are read at once: batches of a training that logs every step are about as long.
SLICE = 50
#: Silence in between is counted up to this, as in the service.
MOST_SECONDS = 120.0
_STATES = {"suspected": "pending", "confirmed": "firing", "clear": "resolved"}


def load(file: Path) -> list[Rule]:
    """The rules of a file; :class:`Misuse` says all that is wrong with it, and in which lines."""
    return [parse_rule(name, definition) for name, definition in read_rules_file(file).items()]


def check(file: Path, tell: Tell) -> None:
    """Say that the rules of a file are sound."""
    count = len(load(file))
    tell(f"{file}: {count} rule{'' if count == 1 else 's'}, nothing wrong")


def test(file: Path, source: str, server: str | None, token: str | None, tell: Tell) -> None:
    """Print every transition on a log file or a stored run, in the order in which it would have come."""
    rules = [rule for rule in load(file) if rule.enabled and rule.reads_points]
    log = Path(source)
    points = points_of_file(log) if log.exists() else points_of_run(source, _service(source, server, token))
    watches = [RuleWatch(rule) for rule in rules]
    counts = dict.fromkeys((rule.name for rule in rules), 0)
    for batch in _slices(points):
        newest = max(batch, key=lambda part: int(part.steps[-1]))
        last = newest.place(len(newest) - 1)
        passed = min(max(last.time - float(newest.times[0]), 0.0), MOST_SECONDS)
        for watch in watches:
            wanted = [part for part in batch if watch.wants(part.name, part.role)]
            for event in [*watch.take(wanted), *watch.pass_by(last, passed)]:
                counts[watch.rule.name] += event.observation == "confirmed"
                tell(_line(watch.rule, event))
    for watch in watches:
        number = counts[watch.rule.name]
        if not watch.has_read:
            tell(f"{watch.rule.name}: no series of the run is watched by it")
        else:
            tell(f"{watch.rule.name}: {number or 'no'} {'alert' if number == 1 else 'alerts'}")


def _service(run: str, server: str | None, token: str | None) -> Address:
    try:
        return needed_address(server, token)
    except Misuse as error:
        raise Misuse(f"there is no file {run} here, and as for a run of that id: {error}") from None


def points_of_run(run: str, address: Address) -> list[Points]:
    """All that the service has of a run."""
    facts = {entry["name"]: entry for entry in ask(address, f"/runs/{run}/series")["series"]}
    marks = ask(address, f"/runs/{run}/marks")
    known = zip(marks["step"], marks["epoch"], strict=True)
    epochs = _Epochs([(step, epoch) for step, epoch in known if epoch is not None])
    try:
        curves = read(run, server=address.base, token=address.token)
    except ReadError as error:
        raise Misuse(str(error)) from None
    return [
        Points(
            id=number,
            name=name,
            role=facts.get(name, {}).get("role"),
            steps=curve.step,
            times=curve.time,
            epochs=epochs.at(curve.step),
            values=curve.value.reshape(len(curve), -1),
        )
        for number, (name, curve) in enumerate(curves.items())
        if len(curve)
    ]


def points_of_file(file: Path) -> list[Points]:
    """All that a log of another tracker holds, with the roles and the epochs that it is imported with."""
    found = list(find_logs([file]))
    logs = [entry for entry in found if isinstance(entry, Log)]
    if len(logs) > 1:
        raise Misuse(f"{file} holds {len(logs)} logs; name one, such as {logs[0].files[0]}")
    if not logs:
        left_out = (f"{entry.path}: {entry.reason}" for entry in found if isinstance(entry, LeftOut))
        reason = next(left_out, f"{file} is an empty folder")
        raise Misuse(f"{reason}; rules are tested on a log of {', '.join(FORMATS)}, or on the id of a run")
    rows: dict[str, list[tuple[int, float, Sequence[float]]]] = {}
    roles: dict[str, str] = {}
    marks: list[tuple[int, float]] = []
    try:
        for part in logs[0].files:
            evaluations = Evaluations()
            for record in logs[0].reader.read(part):
                if isinstance(record, Scalars):
                    roles |= evaluations.new_roles(record.values)
                    if evaluations.begins_with(record) and "epoch" in record.values:
                        marks.append((record.step, record.values["epoch"]))
                    for name, value in record.values.items():
                        rows.setdefault(name, []).append((record.step, record.time or 0.0, (value,)))
                elif isinstance(record, Distribution):
                    rows.setdefault(record.name, []).append((record.step, record.time or 0.0, record.values))
                elif isinstance(record, Note) and record.is_damage:
                    break
    except (Unreadable, OSError) as error:
        raise Misuse(f"{file} cannot be read: {error}") from None
    epochs = _Epochs(sorted(marks))
    return [
        _points_of(number, name, roles.get(name), found, epochs)
        for number, (name, found) in enumerate(rows.items())
    ]


def _points_of(
    number: int,
    name: str,
    role: str | None,
    rows: list[tuple[int, float, Sequence[float]]],
    epochs: _Epochs,
) -> Points:
    rows.sort(key=lambda row: row[0])
    width = len(rows[0][2])
    rows = [row for row in rows if len(row[2]) == width]
    steps = np.array([step for step, _, _ in rows], np.int64)
    return Points(
        id=number,
        name=name,
        role=role,
        steps=steps,
        times=np.array([time for _, time, _ in rows], np.float64),
        epochs=epochs.at(steps),
        values=np.array([values for _, _, values in rows], np.float64),
    )


class _Epochs:
    """Which epoch a step belongs to: that of the newest of these marks, in the order of their steps."""

    def __init__(self, marks: Sequence[tuple[int, float]]) -> None:
        self._steps = np.array([step for step, _ in marks], np.int64)
        self._epochs = np.array([np.nan, *(epoch for _, epoch in marks)], np.float64)

    def at(self, steps: np.ndarray) -> np.ndarray:
        return self._epochs[np.searchsorted(self._steps, steps, side="right")]


def _slices(points: Sequence[Points]) -> Iterator[list[Points]]:
    if not points:
        return
    steps = np.unique(np.concatenate([part.steps for part in points]))
    for first in range(0, len(steps), SLICE):
        begin, end = steps[first], steps[min(first + SLICE, len(steps)) - 1]
        batch = [_cut(part, int(begin), int(end)) for part in points]
        yield [part for part in batch if len(part)]


def _cut(part: Points, begin: int, end: int) -> Points:
    inside = slice(
        int(np.searchsorted(part.steps, begin, side="left")),
        int(np.searchsorted(part.steps, end, side="right")),
    )
    return Points(
        part.id,
        part.name,
        part.role,
        part.steps[inside],
        part.times[inside],
        part.epochs[inside],
        part.values[inside],
    )


def _line(rule: Rule, event: Event) -> str:
    told = reason_of(rule, event) if event.observation == "clear" else sentence_of(rule, event)
    return f"{where(event.place):<24} {rule.name:<24} {_STATES[event.observation]:<9} {told}"
