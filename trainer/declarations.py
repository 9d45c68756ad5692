"""What the series of the loop itself say about themselves; those of the probes declare their own."""

from typing import Any, Final

from trainer.config import Config
from trainer.config.networks import GRADIENT_NORMALIZED
from trainer.watching import Run

SERIES: Final[dict[str, dict[str, Any]]] = {
    "loss/g": {
        "role": "loss_G",
        "help": "The generator's adversarial loss. Good: hovers. A climb: it no longer fools the critic.",
    },
    "loss/d": {
        "role": "loss_D",
        "help": "The discriminator's adversarial loss; what is added to it has series of its own. Good: "
        "hovers. At its floor it teaches nothing more.",
    },
    "score/real": {
        "role": "d_real",
        "help": "Mean score of real images, as the loss sees it. Good: a little above the generated.",
    },
    "score/fake": {
        "role": "d_fake",
        "help": "Mean score of generated images, as the loss sees it. Good: a little below the real.",
    },
    "learning_rate/g": {"role": "lr_G", "lower": 0, "help": "Learning rate of the generator."},
    "learning_rate/d": {"role": "lr_D", "lower": 0, "help": "Learning rate of the discriminator."},
}

UNDEFINED: Final[dict[str, Any]] = {
    "lower": 0,
    "direction": "lower",
    "help": "Samples without a normalized score so far, 0/0. Good: 0. It grows when the discriminator dies.",
}

PENALTY: Final[dict[str, Any]] = {
    "lower": 0,
    "help": "What the gradient penalty adds to the discriminator's loss, weight included; a lazy one at the "
    "steps where it is taken. Good: falls early, then hovers. A climb: the critic's gradient outgrows it.",
}
CONSISTENCY: Final[dict[str, Any]] = {
    "lower": 0,
    "help": "What consistency regularization adds to the discriminator's loss, weight included: how "
    "differently it scores a real image and its moved copy. Good: a small part of the loss.",
}
SAMPLE_DIFFERENCES: Final[dict[str, Any]] = {
    "lower": 0,
    "help": "What sample differences add to this network's loss, weight included: how differently the "
    "best generated images and their nearest real ones are seen. Good: a small part of the loss.",
}


def declare_training(run: Run, config: Config) -> None:
    for name, facts in SERIES.items():
        run.declare(name, **facts)
    if config.penalty.kind != "none":
        run.declare(f"penalty/{config.penalty.kind}", **PENALTY)
    if config.consistency.weight > 0:
        run.declare("consistency", **CONSISTENCY)
    if config.sample_differences.weight > 0:
        for network in ("d", "g"):
            run.declare(f"sdp/{network}", **SAMPLE_DIFFERENCES)
    if config.critic.kind in GRADIENT_NORMALIZED:
        run.declare("score/undefined", **UNDEFINED)
