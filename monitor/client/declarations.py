"""What a training script says of a series, as the record that goes over the wire."""

from __future__ import annotations

from typing import TypedDict

import msgspec

from monitor import protocol
from monitor.client.values import to_float, to_name


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
    """Raises ``ValueError`` or ``TypeError`` where a word is not one of the protocol's."""
    bounds = {key: to_float(facts[key]) for key in ("lower", "upper") if facts.get(key) is not None}
    fields = {"sequence": 1, "name": to_name(name), "kind": kind, **facts, **bounds}
    return msgspec.convert(fields, protocol.Declare)
