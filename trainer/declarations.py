"""What the series of the loop itself say about themselves; those of the probes declare their own."""

from typing import Any, Final

from trainer.config import Config
from trainer.watching import Run

SERIES: Final[dict[str, dict[str, Any]]] = {
    "loss/g": {
        "role": "loss_G",
        "help": "What the generator minimizes. Good: hovers. A steady climb: it no longer fools the critic.",
    },
    "loss/d": {
        "role": "loss_D",
        "help": "What the discriminator minimizes. Good: hovers. At its floor it teaches nothing more.",
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


def declare_training(run: Run, config: Config) -> None:
    for name, facts in SERIES.items():
        run.declare(name, **facts)
    if config.critic.kind != "raw":
        run.declare("score/undefined", **UNDEFINED)
