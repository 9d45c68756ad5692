"""What is done about a turning point: where one is confirmed, or a person asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from trainer.config.validation import require

OnTurningPoint = Literal["notify", "stop", "rollback", "rescue"]
#: Gradient normalization, a smaller learning rate, a gradient penalty, or nothing but other random numbers.
RemedyName = Literal["gn", "lr", "gp", "rollback"]
#: What joins those that are taken together.
JOINED: Final = "+"


@dataclass(frozen=True, kw_only=True)
class Rescue:
    """How a training goes on that went back to before a turning point."""

    #: One for each turning point, in this order; what was taken stays, and after the last one training stops.
    #: ``gn``: gradient normalization of the critic. ``lr``: a smaller learning rate. ``gp``: a gradient
    #: penalty. ``rollback``: as before, with other random numbers. Several at once are joined: ``gn+lr``.
    remedies: tuple[str, ...] = ("gn", "lr")
    #: lr: both learning rates are multiplied by this.
    lr_factor: float = 0.2
    #: gp: its weight.
    gp_weight: float = 10.0
    #: Whether Adam begins anew or goes on with its moments; ``rollback`` by itself always keeps them.
    optimizers: Literal["fresh", "kept"] = "fresh"

    def __post_init__(self) -> None:
        require(len(self.remedies) > 0, "rescue.remedies is empty: name at least one")
        known = get_args(RemedyName)
        for remedy in self.remedies:
            for name in parts_of(remedy):
                require(
                    name in known,
                    f"rescue.remedies has {remedy}: {name!r} is none of {', '.join(known)}, which are joined "
                    f"by {JOINED}",
                )
        require(0 < self.lr_factor < 1, f"rescue.lr-factor = {self.lr_factor} must lie between 0 and 1")
        require(0 < self.gp_weight < 1e6, f"rescue.gp-weight = {self.gp_weight} must lie between 0 and 1e6")


def parts_of(remedy: str) -> Sequence[str]:
    return remedy.split(JOINED)
