"""The demonstration: handwritten digits, which train in a minute on a CPU."""

from dataclasses import replace
from typing import Final

from trainer.config import Adam, Config, Critic, LearningRate, Network
from trainer.recipes.paper import Paper

DIGITS: Final = Paper("Handwritten digits, built in")

#: What all recipes of the digits train, so that they can be compared.
NETWORK: Final = Network(
    architecture="small", z_dim=32, width_g=16, width_d=16, norm_g="batch", norm_d="none", init="torch"
)


@DIGITS.recipe
def digits_lsgan() -> Config:
    """Least squares on handwritten digits, unprotected: trains well for a while, then collapses by itself.

    Loss: LSGAN (Mao et al. 2017, P). Networks, learning rate, betas and batch: O, chosen because at this rate
    the raw critic explodes from every seed within some tens of epochs after a long steady phase, though
    nothing is switched at any moment.
    """
    return Config(
        recipe="digits",
        network=NETWORK,
        loss="ls",
        lr=LearningRate(g=8e-3, d=8e-3),
        adam=Adam(betas=(0.0, 0.999)),
        epochs=100,
    )


@DIGITS.recipe
def digits_nsgan() -> Config:
    """The non-saturating loss on handwritten digits, unprotected: slowly loses diversity.

    Loss: Goodfellow et al. 2014 (P). All else is that of ``digits-lsgan`` (O). Seen with seed 0: D is 2.24
    nats at epoch 60 and 2.04 at epoch 150.
    """
    return replace(digits_lsgan(), loss="ns", epochs=150)


@DIGITS.recipe
def digits_gn() -> Config:
    """Gradient normalization on handwritten digits: stays healthy where ``digits-lsgan`` does not.

    Critic: GN (Wu et al. 2021, P). All else is that of ``digits-lsgan`` (O): only the critic differs.
    """
    return replace(digits_lsgan(), critic=Critic(kind="gn"))
