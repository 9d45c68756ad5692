"""What each process does in the tests of several: ``torchrun ... -m tests.trainer.ranks FOLDER``.

It trains every configuration of ``CONFIGURATIONS``, and rank 0 writes down what was logged and the weights.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from tests.trainer.recording import RecordingRun
from trainer.checkpoint import CheckpointDirectory
from trainer.config import Adam, Batch, Config, Consistency, Critic, Ema, Network, Penalty, Speed
from trainer.data import load
from trainer.distributed import ALONE, Ranks, joined
from trainer.following import Follower, Nowhere
from trainer.loop import train
from trainer.recipes import RECIPES
from trainer.stopping import Stopping
from trainer.watching import Unwatched

SMALL = replace(
    RECIPES["digits-nsgan"](),
    network=Network(z_dim=8, width_g=4, width_d=4, norm_g="none", init="torch"),
    # Adam divides by the size of a gradient: with a smaller epsilon it blows up the rounding of those near 0.
    adam=Adam(betas=(0.0, 0.9), eps=1e-3),
    batch=Batch(g=12, d=8),
    n_dis=2,
    epochs=None,
    steps=6,
)
CONFIGURATIONS = {
    "raw": SMALL,
    "normalized": replace(SMALL, critic=Critic(kind="gn"), loss="hinge"),
    "accumulated": replace(
        SMALL, batch=Batch(g=12, d=8, accumulate=2), speed=Speed(channels_last=True), ema=Ema(decay=0.9)
    ),
    "penalized": replace(
        SMALL,
        penalty=Penalty(kind="dragan", at="perturbed", weight=1.0),
        consistency=Consistency(weight=5.0),
        mirror=True,
    ),
}


def trained(config: Config, folder: Path, ranks: Ranks = ALONE) -> RecordingRun:
    run = RecordingRun()
    leads = ranks.rank == 0
    train(
        config,
        load(config),
        run if leads else Follower(run),
        watch_with=Unwatched,
        checkpoints=CheckpointDirectory(folder) if leads else Nowhere(),
        stopping=Stopping(run, ranks),
        device=torch.device("cpu"),
        ranks=ranks,
        quiet=True,
    )
    return run


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined("cpu") as (ranks, _):
        for name, config in CONFIGURATIONS.items():
            run = trained(config, folder / name, ranks)
            if ranks.rank == 0:
                torch.save(run.points, folder / f"{name}.points")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
