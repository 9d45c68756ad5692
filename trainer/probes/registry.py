"""The probes of the critic, and how often each measures unless ``every`` says otherwise."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from .critic_probes import FiniteDifferences, GradientNorms, GradientRms, LayerLipschitz, LipschitzConstant
from .probe import Probe, Subject

#: How often something is measured: every so many generator steps, at every mark, or never.
Every = int | Literal["epoch"] | None


class Listed(NamedTuple):
    every: Every
    make: Callable[[Subject], Probe]


PROBES: Final[Mapping[str, Listed]] = {
    "gradient_norms": Listed(50, GradientNorms),
    # For the critic of PGN's code alone: elsewhere it says what the raw norms say.
    "gradient_rms": Listed(None, GradientRms),
    "finite_differences": Listed(200, FiniteDifferences),
    "layer_lipschitz": Listed(200, LayerLipschitz),
    "lipschitz_constant": Listed(200, LipschitzConstant),
}
