"""Points for a rule, and what it says of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.detection.rules.parsing import parse_rule
from monitor.detection.rules.rule import Place, Rule
from monitor.detection.rules.series_watch import Points
from monitor.detection.rules.sources import default_definitions
from monitor.detection.rules.watching import Event, RuleWatch

STEPS_AN_EPOCH = 10


def rule(**keys: Any) -> RuleWatch:
    """A rule on series ``a``, unless it says otherwise; ``hold`` stands for ``for``."""
    given = {
        "series": "a",
        **{"for" if key == "hold" else key.replace("_", "-"): v for key, v in keys.items()},
    }
    return RuleWatch(parse_rule("r", given))


def default_rules() -> list[Rule]:
    return [parse_rule(name, definition) for name, definition in default_definitions().items()]


def points(
    values: Sequence[float],
    name: str = "a",
    first: int = 1,
    times: Sequence[float] | None = None,
    role: str = "",
) -> Points:
    """One a step from ``first`` on, ten steps an epoch, a second each."""
    steps = np.arange(first, first + len(values))
    return Points(
        id=sum(map(ord, name)),
        name=name,
        role=role or None,
        steps=steps,
        times=np.asarray(steps if times is None else times, np.float64),
        epochs=np.floor(steps / STEPS_AN_EPOCH),
        values=np.asarray(values, np.float64).reshape(len(values), 1),
    )


def told(events: Sequence[Event]) -> list[tuple[str, int]]:
    return [(event.observation, event.place.step) for event in events]


def feed(watch: RuleWatch, values: Sequence[float], **given: Any) -> list[tuple[str, int]]:
    return told(watch.take([points(values, **given)]))


def restored(watch: RuleWatch) -> RuleWatch:
    """The same after a restart: through the JSON that the databases hold."""
    return RuleWatch.from_state(watch.rule, json.loads(json.dumps(watch.state(), allow_nan=False)))


def here(step: int, time: float = 0.0) -> Place:
    return Place(step, float(step // STEPS_AN_EPOCH), time)
