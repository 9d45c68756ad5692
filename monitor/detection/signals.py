"""What the turning-point detector reads of a record: the roles, and in which measure each is watched.

| role | measure | leaves its course by |
| --- | --- | --- |
| Q | as it is, in [0, 1] | falling |
| D | D / ln m, in [0, 1] | falling |
| S_G, S_D, S_G_ep, S_D_ep | log of the angle in degrees | rising or falling |
| loss_G, loss_D | asinh: the log of what is large, of either sign, and linear near 0 | rising or falling |
| gn_real | log of the critic's gradient norm | rising or falling |

Angles, losses and gradient norms say how a *network* fares, and are grouped by network: the angles are the
signal S, losses and gradient norms are witnesses. They corroborate what the angles say, and stand in for
angles that a run does not log; alone they raise nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import asinh, isfinite, log, sqrt
from typing import Any

from monitor.detection.channel import FULL, Channel

VALUES = ("Q", "D")
ANGLES = ("S_G", "S_G_ep", "S_D", "S_D_ep")
LOSSES, GRADIENTS = ("loss_G", "loss_D"), ("gn_real",)
WITNESSES = LOSSES + GRADIENTS
GENERATOR = ("S_G", "S_G_ep", "loss_G")
DISCRIMINATOR = ("S_D", "S_D_ep", "loss_D", "gn_real")
NETWORKS = (GENERATOR, DISCRIMINATOR)

#: What a person would care about: 0.08 of quality, 6 % of the possible diversity, an angle 1.6 times as
#: large, a loss or a gradient norm twice as large.
MATERIAL = {"Q": 0.08, "D": 0.06} | dict.fromkeys(ANGLES, log(1.6)) | dict.fromkeys(WITNESSES, log(2.0))
#: A network was thrown if one of its numbers at least doubled in one record.
LEAP = log(2.0)
#: Less than this share of a steady level (noise within a tenth of it) is a ruin, and a number of a network
#: that is 1.4 times what it was, or a 1.4th, has left its place.
RUIN, STEADY, PLACE = 0.7, 0.1, log(1.4)
#: Angles (degrees) and gradient norms below this are all the same: nothing moves.
SMALLEST = 1e-3
#: Values of Q and D beyond this are all the same: no judge gives them, and sums of them must stay finite.
LARGEST = 1e6


def make_channels(samples: int | None) -> dict[str, Channel]:
    """A channel a role. ``samples``: how many images the judge saw at a mark."""
    # q lies in [0, 1], so its standard error is at most 0.5 / sqrt(n).
    noise = 0.5 / sqrt(samples) if samples else 0.0
    channels = {"Q": Channel(MATERIAL["Q"], noise), "D": Channel(MATERIAL["D"])}
    return channels | {name: Channel(MATERIAL[name], two_sided=True) for name in ANGLES + WITNESSES}


def measured(name: str, value: float, ln_m: float) -> float:
    """A role's value in the measure that its channel watches."""
    if name in VALUES:
        value = min(max(value, -LARGEST), LARGEST)
        return value / ln_m if name == "D" else value
    return asinh(value) if name in LOSSES else log(max(value, SMALLEST))


def log_rate(name: str, record: Mapping[str, Any]) -> float:
    """The log of the learning rate that an angle was made under; 0 where unknown, and for all else."""
    if name not in ANGLES:
        return 0.0
    rate = record.get("lr_g" if name in GENERATOR else "lr_d") or 0.0
    return log(rate) if isfinite(rate) and rate > 0 else 0.0


def has_leapt(channels: Mapping[str, Channel], network: tuple[str, ...]) -> bool:
    """Whether a network was thrown with this record: an angle leapt, or a witness where no angle is known."""
    angles = [channels[name] for name in network if name in ANGLES and channels[name].is_ready]
    return any(_leaps(channel) for channel in angles or [channels[name] for name in network])


def _leaps(channel: Channel) -> bool:
    value, level = channel.value, channel.level
    return value is not None and level is not None and channel.deviation >= FULL and value - level >= LEAP


def network_evidence(channels: Mapping[str, Channel]) -> float:
    """Both networks have left their course, as far as each is seen: the weaker one's evidence counts."""
    known = [
        max(channels[name].sum for name in network)
        for network in NETWORKS
        if any(channels[name].is_ready for name in network)
    ]
    return min(known, default=0.0)


def has_left_its_place(
    channels: Mapping[str, Channel], network: tuple[str, ...], places: Mapping[str, float]
) -> bool:
    """Whether one of a network's numbers is elsewhere than its place of before, where that is known."""
    for name in network:
        value, place = channels[name].value, places.get(name)
        if value is not None and place is not None and abs(value - place) >= PLACE:
            return True
    return False


def lies_low(channel: Channel) -> bool:
    """Whether the newest value has lost a third of a level that was steady."""
    line = channel.line()
    if line is None or channel.value is None:
        return False
    level, _, unit = line
    return unit <= STEADY * level and channel.value < RUIN * level


def lies_below_all(channel: Channel) -> bool:
    """Whether the newest value has lost a third even of the least in the window."""
    return channel.value is not None and channel.value < RUIN * min(point[1] for point in channel.window)


def share_of_level(channel: Channel) -> float:
    """The newest value as a share of its level."""
    return channel.value / channel.level if channel.value is not None and channel.level else 0.0
