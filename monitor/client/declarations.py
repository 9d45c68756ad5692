"""What a training script says of a series and of going back, as the records that go over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from time import time as now
from typing import Any, SupportsIndex, TypedDict, get_args

import msgspec

from monitor import protocol
from monitor.client.configuration import plain_config
from monitor.client.values import to_float, to_index, to_name


class Facts(TypedDict, total=False):
    """All that an axis, a tooltip and the detector need to know (``protocol.Declare``)."""

    unit: str
    direction: protocol.Direction
    lower: float | None
    upper: float | None
    help: str
    role: str | None
    judge: str | None
    m: int | None
    n: int | None


def declaration(name: str, kind: protocol.SeriesKind, facts: Facts) -> protocol.Declare:
    """Raises ``ValueError`` or ``TypeError`` where a word is not one of the protocol's.

    A role that is none of the protocol's is one for rules of one's own, unless it is one of them misspelled.
    """
    direction, role = facts.get("direction", "none"), facts.get("role")
    if direction not in get_args(protocol.Direction):
        allowed = ", ".join(map(repr, get_args(protocol.Direction)))
        raise ValueError(f"direction of {name!r} is {direction!r}; it is one of {allowed}")
    if isinstance(role, str) and (meant := protocol.role_meant(role)):
        raise ValueError(f"role of {name!r} is {role!r}; did you mean {meant!r}?")
    bounds = {key: to_float(facts[key]) for key in ("lower", "upper") if facts.get(key) is not None}
    fields = {"sequence": 1, "name": to_name(name), "kind": kind, **facts, **bounds}
    return msgspec.convert(fields, protocol.Declare)


class Turned(TypedDict, total=False):
    """What is done about a turning point (``protocol.Attempt``)."""

    remedy: str | None
    settings: Mapping[str, Any]
    command: str


def next_attempt(parent: int, step: SupportsIndex, reason: str, turned: Turned) -> protocol.Attempt:
    remedy = turned.get("remedy")
    return protocol.Attempt(
        sequence=1,
        time=now(),
        number=parent + 1,
        parent=parent,
        from_step=to_index(step, "step"),
        reason=str(reason),
        remedy=remedy
        if remedy is None
        else protocol.Remedy(name=str(remedy), settings=plain_config(turned.get("settings"))),
        command=str(turned.get("command", "")),
    )
