"""Measuring GAN training in real time (SQD): losses and penalties on CelebA, watched by S, Q and D.

The paper names neither networks nor optimizer. Ours are DCGAN's, without batch norm in D, which gradient
penalties forbid: so the recipes differ in loss and penalty alone. WGAN's weight clipping is left out, since
the figures show a Wasserstein critic that collapses; ``--clip 0.01`` has it back.
"""

from dataclasses import replace
from typing import Final

from trainer.config import Adam, Batch, Checkpoints, Config, LearningRate, LossName, Network, Penalty
from trainer.recipes.paper import NO_FIGURE, Paper

SQD: Final = Paper("Measuring GAN training in real time: SQD on CelebA")

NETWORK: Final = Network(
    architecture="dcgan", z_dim=128, width_g=64, width_d=64, norm_g="batch", norm_d="none", init="dcgan"
)

LOSSES: Final[dict[str, tuple[LossName, str]]] = {
    "ns": ("ns", "Non-saturating loss"),
    "ls": ("ls", "Least squares"),
    "hinge": ("hinge", "Hinge loss"),
    "w": ("wasserstein", "Wasserstein loss"),
}
PENALTIES: Final[dict[str, tuple[Penalty, str]]] = {
    "gp": (Penalty(kind="gp", weight=10.0), "gradient penalty (gp)"),
    "gp100": (Penalty(kind="gp", weight=100.0), "gradient penalty (gp) of weight 100"),
    "dragan": (Penalty(kind="dragan", weight=10.0), "DRAGAN's penalty"),
    "0gp": (Penalty(kind="0-gp", weight=10.0), "zero-centred gradient penalty (0-gp)"),
    "lp": (Penalty(kind="lp", weight=10.0), "one-sided gradient penalty (lp)"),
}
#: Mean Q and D of epochs 250 to 300 as printed, and the epoch in which training turned.
FIGURES: Final = {
    "ns": "Q .893, D 4.289 (mean of epochs 250-300); turns at epoch 78.",
    "ls": "Q .899, D 4.583 (mean of epochs 250-300); turns at epoch 40.",
    "hinge": "Q .787, D 3.963 (mean of epochs 250-300); turns at epoch 110.",
    "w": "Q .243, D 1.885 (mean of epochs 250-300); turns at epoch 62.",
    "ns-gp": "Q .949, D 7.848 (mean of epochs 250-300).",
    "ls-gp": "Q .946, D 7.794 (mean of epochs 250-300).",
    "hinge-gp": "Q .964, D 8.221 (mean of epochs 250-300).",
    "w-gp": "Q .937, D 7.556 (mean of epochs 250-300).",
}
SOURCES: Final = """
Loss, penalty, CelebA, {epochs} epochs, no EMA (P). Networks (DCGAN at 64), learning rate 2e-4, betas
0.5 and 0.999, batches of 128, one discriminator step, no decay: O, DCGAN's. Measured each epoch: Q of
1000 samples by MTCNN, D of 2000 over 10 177 identities by ArcFace (P).
"""


def plain(loss: LossName) -> Config:
    return Config(
        recipe="sqd",
        dataset="celeba",
        size=64,
        channels=3,
        network=NETWORK,
        loss=loss,
        lr=LearningRate(g=2e-4, d=2e-4),
        adam=Adam(betas=(0.5, 0.999)),
        batch=Batch(g=128, d=128),
        n_dis=1,
        epochs=300,
        checkpoints=Checkpoints(every=1),
    )


def add(name: str, config: Config, summary: str) -> None:
    SQD.add(
        f"sqd-celeba-{name}",
        lambda: config,
        summary=f"{summary}, on CelebA at 64.",
        sources=SOURCES.format(epochs=config.epochs),
        figure=FIGURES.get(name, NO_FIGURE),
    )


for name, (loss, what) in LOSSES.items():
    add(name, plain(loss), what)
    add(f"{name}-gp", replace(plain(loss), penalty=PENALTIES["gp"][0]), f"{what} with {PENALTIES['gp'][1]}")
for name in ("dragan", "0gp", "lp"):
    penalty, what = PENALTIES[name]
    add(f"ns-{name}", replace(plain("ns"), penalty=penalty), f"Non-saturating loss with {what}")
for name, (loss, what) in LOSSES.items():
    penalty, with_what = PENALTIES["gp100"]
    add(f"{name}-gp100", replace(plain(loss), penalty=penalty), f"{what} with {with_what}")
add("ns-1000", replace(plain("ns"), epochs=1000), "Non-saturating loss for 1000 epochs")
