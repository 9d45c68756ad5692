"""Recipes: named training configurations, each a function whose docstring says where its settings come from.

P: stated in the paper. C: what the authors' published code does. O: our own choice.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from trainer.config import Adam, Batch, Checkpoints, Config, Critic, Ema, LearningRate, Network

Recipe = Callable[[], Config]

#: What all recipes of the digits train, so that they can be compared.
DIGITS_NETWORK: Final = Network(
    architecture="small", z_dim=32, width_g=16, width_d=16, norm_g="batch", norm_d="none", init="torch"
)


def digits_lsgan() -> Config:
    """Least squares on handwritten digits, unprotected: trains well for a while, then collapses by itself.

    Loss: LSGAN (Mao et al. 2017, P). Networks, learning rate, betas and batch: O, chosen because at this rate
    the raw critic explodes from every seed within some tens of epochs after a long steady phase, though
    nothing is switched at any moment.
    """
    return Config(
        recipe="digits-lsgan",
        network=DIGITS_NETWORK,
        loss="ls",
        lr=LearningRate(g=8e-3, d=8e-3),
        adam=Adam(betas=(0.0, 0.999)),
        epochs=100,
    )


def digits_nsgan() -> Config:
    """The non-saturating loss on handwritten digits, unprotected: slowly loses diversity.

    Loss: Goodfellow et al. 2014 (P). All else is that of ``digits-lsgan`` (O). Seen with seed 0: D is 2.24
    nats at epoch 60 and 2.04 at epoch 150.
    """
    return replace(digits_lsgan(), recipe="digits-nsgan", loss="ns", epochs=150)


def digits_gn() -> Config:
    """Gradient normalization on handwritten digits: stays healthy where ``digits-lsgan`` does not.

    Critic: GN (Wu et al. 2021, P). All else is that of ``digits-lsgan`` (O): only the critic differs.
    """
    return replace(digits_lsgan(), recipe="digits-gn", critic=Critic(kind="gn"))


def dcgan64_gn() -> Config:
    """DCGAN at 64 pixels under gradient normalization, for any folder of images or packed ``.npz``.

    Networks: DCGAN (Radford et al. 2016, P: channels 512 to 64, batch norm in G), without batch norm in D,
    which GN forbids. Hinge loss, betas, learning rates, batches and EMA: GN's ResNet rows (P), without the
    decay of the rates to 0 that their code has. One discriminator step: GN's CNN rows (C). Epochs: O.
    """
    return Config(
        recipe="dcgan64-gn",
        dataset="images",
        size=64,
        channels=3,
        network=Network(architecture="dcgan", width_g=64, width_d=64, norm_g="batch", init="dcgan"),
        critic=Critic(kind="gn"),
        loss="hinge",
        lr=LearningRate(g=2e-4, d=4e-4),
        adam=Adam(betas=(0.0, 0.9)),
        batch=Batch(g=128, d=64),
        ema=Ema(decay=0.9999),
        epochs=100,
        checkpoints=Checkpoints(every=1),
    )


def dcgan64_nsgan() -> Config:
    """DCGAN close to how it was published, for any folder of images or packed ``.npz``.

    Networks, initialization, learning rate 2e-4, beta1 0.5, batch 128: Radford et al. 2016 (P). Latents are
    normal, where the paper's are uniform, and beta2 is 0.999, which it does not state: O. Epochs: O.
    """
    return Config(
        recipe="dcgan64-nsgan",
        dataset="images",
        size=64,
        channels=3,
        network=Network(
            architecture="dcgan",
            z_dim=100,
            width_g=64,
            width_d=64,
            norm_g="batch",
            norm_d="batch",
            init="dcgan",
        ),
        loss="ns",
        lr=LearningRate(g=2e-4, d=2e-4),
        adam=Adam(betas=(0.5, 0.999)),
        batch=Batch(g=128, d=128),
        epochs=100,
        checkpoints=Checkpoints(every=1),
    )


RECIPES: Final[dict[str, Recipe]] = {
    recipe.__name__.replace("_", "-"): recipe
    for recipe in (digits_lsgan, digits_nsgan, digits_gn, dcgan64_gn, dcgan64_nsgan)
}
