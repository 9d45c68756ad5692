"""The probes of the critic, and how often each measures unless ``every`` says otherwise."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from .critic_probes import GradientNorms
from .probe import Probe, Subject

#: How often something is measured: every so many generator steps, at every mark, or never.
Every = int | Literal["epoch"] | None


class Listed(NamedTuple):
    every: Every
    make: Callable[[Subject], Probe]


PROBES: Final[Mapping[str, Listed]] = {
    "gradient_norms": Listed(50, GradientNorms),
}
