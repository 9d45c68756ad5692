"""Where the scores of a configuration end to matter: by its critic's bound, and by its loss's margin."""

from typing import Final

from trainer.config import Config, CriticName, LossName
from trainer.probes.saturation import SIGMOID_MARGIN, Limits

#: Critics whose ``|h|`` is at most 1.
BOUNDED: Final[frozenset[CriticName]] = frozenset({"gn", "pgn", "pgn-code"})
#: From where on a loss has, on the sample's own side, less than 1 % of its slope; others have no end.
MARGINS: Final[dict[LossName, float]] = {"ns": SIGMOID_MARGIN, "hinge": 1.0, "soft-hinge": 1 + SIGMOID_MARGIN}


def limits_of(config: Config) -> Limits | None:
    """None where no score is too far out, whatever it is."""
    limits = Limits(bound=1.0 if config.critic.kind in BOUNDED else None, margin=MARGINS.get(config.loss))
    return None if limits == Limits() else limits
