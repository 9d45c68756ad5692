"""Sample differences penalization (SDP): four systems and AutoGAN's, each with it and ``-without``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from trainer.config import (
    Adam,
    Batch,
    Config,
    Critic,
    Dataset,
    Fidelity,
    LearningRate,
    Network,
    Penalty,
    SampleDifferences,
)
from trainer.recipes.gradient_normalization import CNN, RESNET, RESNET_32
from trainer.recipes.paper import NO_FIGURE, Paper

SDP: Final = Paper("Sample differences penalization: SDP, with and without")

AUTOGAN: Final = Network(
    architecture="autogan",
    width_g=256,
    width_d=128,
    init="xavier",
    activation_d="relu",
    pool_d="sum",
)

#: Title, and size.
DATA: Final[dict[Dataset, tuple[str, int]]] = {
    "cifar10": ("CIFAR-10 at 32", 32),
    "cifar100": ("CIFAR-100 at 32", 32),
    "tiny-imagenet": ("Tiny ImageNet at 64", 64),
}

SOURCES: Final = """
Learning rate 2e-4, batches of 64, 100 000 generator steps, no decay, no EMA, FID of 10k v. 10k (P).
Betas 0.5 and 0.999 of the CNN, 0.0 and 0.9 of the ResNet, five discriminator steps with a gradient
penalty or SN, else one (P). Which system has which network, that CNN and ResNet are those of GN's
recipes, and how often fidelity is measured: O.
"""
SDP_SOURCES: Final = " SDP: weight 0.01 from step 3000 on, k from 5, one more every 5000 steps (P)."


def plain(dataset: Dataset) -> Config:
    """What all have in common: a raw critic under the hinge loss, on the CNN."""
    return Config(
        recipe="sdp",
        dataset=dataset,
        size=DATA[dataset][1],
        channels=3,
        network=CNN,
        loss="hinge",
        lr=LearningRate(g=2e-4, d=2e-4),
        adam=Adam(betas=(0.5, 0.999)),
        batch=Batch(g=64, d=64),
        n_dis=1,
        steps=100_000,
        fidelity=Fidelity(every=10, samples=10_000, real=10_000, metrics=("fid",)),
    )


def lsgan(config: Config) -> Config:
    return replace(config, loss="ls")


def wgan_gp(config: Config) -> Config:
    return replace(config, loss="wasserstein", penalty=Penalty(kind="gp", weight=10.0), n_dis=5)


def wgan_gp_without_norm(config: Config) -> Config:
    return replace(wgan_gp(config), network=replace(config.network, norm_g="none"))


def hinge(config: Config) -> Config:
    return config


def sn(config: Config) -> Config:
    network = RESNET_32 if config.size == 32 else RESNET
    return replace(config, network=network, critic=Critic(kind="sn"), adam=Adam(betas=(0.0, 0.9)), n_dis=5)


def autogan(config: Config) -> Config:
    return replace(sn(config), network=AUTOGAN, lr=LearningRate(g=1e-4, d=4e-4))


def at_high_rate(config: Config) -> Config:
    return replace(config, lr=LearningRate(g=1e-3, d=1e-3))


@dataclass(frozen=True)
class System:
    change: Callable[[Config], Config]
    what: str
    sources: str


SYSTEMS: Final = {
    "lsgan": System(lsgan, "LSGAN", "Least squares (P) on the CNN."),
    "wgan-gp": System(wgan_gp, "WGAN-GP", "Penalty of weight 10 at interpolates (P) on the CNN."),
    "hinge": System(hinge, "Hinge loss", "Hinge loss (P) on the CNN."),
    "sn": System(sn, "SN-GAN", "Hinge loss under SN (P) on the ResNet."),
}
WITHOUT_NORM: Final = System(
    wgan_gp_without_norm,
    "WGAN-GP without normalization layers",
    "Penalty of weight 10 at interpolates, no batch norm (P) on the CNN.",
)
AUTOGAN_SYSTEM: Final = System(
    autogan,
    "AutoGAN",
    "Learning rates 1e-4 (G) and 4e-4 (D), the generator that its search found for CIFAR-10 (P); its "
    "discriminator under SN and the hinge loss (C).",
)

#: FID as printed, without and with SDP.
FIGURES: Final = {
    "cifar10-lsgan": (37.28, 32.58),
    "cifar10-wgan-gp": (38.06, 31.52),
    "cifar10-hinge": (38.20, 34.96),
    "cifar10-sn": (17.45, 16.79),
    "cifar10-wgan-gp-lr1e-3": (116.69, 38.55),
    "cifar10-wgan-gp-no-norm": (49.74, 34.76),
    "tiny-imagenet-sn": (51.47, 52.48),
}


def add(
    name: str, system: System, dataset: Dataset, *, change: Callable[[Config], Config] = hinge, what: str = ""
) -> None:
    """The system with SDP, and without; ``change`` is made last, and ``what`` tells of it."""

    def without() -> Config:
        return change(system.change(plain(dataset)))

    def penalized() -> Config:
        return replace(without(), sample_differences=SampleDifferences(weight=0.01))

    summary = f"{system.what}{what}"
    title, figures = DATA[dataset][0], FIGURES.get(name)
    SDP.add(
        f"sdp-{name}",
        penalized,
        summary=f"{summary}, with SDP, on {title}.",
        sources=SOURCES + system.sources + SDP_SOURCES,
        figure=f"FID {figures[1]:.2f} (without SDP {figures[0]:.2f})." if figures else NO_FIGURE,
    )
    SDP.add(
        f"sdp-{name}-without",
        without,
        summary=f"{summary}, without SDP, on {title}.",
        sources=SOURCES + system.sources,
        figure=f"FID {figures[0]:.2f} (with SDP {figures[1]:.2f})." if figures else NO_FIGURE,
    )


for dataset in DATA:
    for name, system in SYSTEMS.items():
        add(f"{dataset}-{name}", system, dataset)
for name, system in SYSTEMS.items():
    add(f"cifar10-{name}-lr1e-3", system, "cifar10", change=at_high_rate, what=" at learning rate 1e-3")
add("cifar10-wgan-gp-no-norm", WITHOUT_NORM, "cifar10")
add("cifar10-autogan", AUTOGAN_SYSTEM, "cifar10")
