"""GraN (Bhaskara et al., WACV 2022): piecewise gradient normalization, its baselines, and its stress grid.

GraND is a discriminator with the non-saturating loss, GraNC a critic with the soft hinge. The baselines train
the same networks; ``-k`` is a baseline with its Lipschitz constant K tuned: a penalty's target is K, and a
spectrally normalized score is multiplied by it. ``ns`` has no constraint, so no K.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
)
from trainer.recipes.paper import NO_FIGURE, Paper

GRAN: Final = Paper("Piecewise gradient normalization: GraN (Bhaskara et al., WACV 2022)")

NETWORK_32: Final = Network(
    architecture="gran",
    width_g=256,
    width_d=128,
    init="xavier-residual",
    activation_d="relu",
    pool_d="sum",
)
NETWORK: Final = replace(NETWORK_32, width_g=64, width_d=64)

#: The Lipschitz constant that the paper tuned on CIFAR-10; it prints none for other data.
K: Final = 0.83


@dataclass(frozen=True)
class Data:
    title: str
    dataset: Dataset
    size: int
    n_dis: int


DATA: Final = {
    "cifar10": Data("CIFAR-10 at 32", "cifar10", 32, 5),
    "cifar100": Data("CIFAR-100 at 32", "cifar100", 32, 5),
    "stl10": Data("STL-10 at 48", "stl10", 48, 5),
    "bedroom128": Data("LSUN bedroom at 128", "lsun-bedroom", 128, 2),
    "celeba128": Data("CelebA at 128", "celeba", 128, 2),
}


def plain(data: Data) -> Config:
    """What all have in common; its critic is raw, its loss non-saturating."""
    return Config(
        recipe="gran",
        dataset=data.dataset,
        size=data.size,
        channels=3,
        network=NETWORK_32 if data.size == 32 else NETWORK,
        loss="ns",
        lr=LearningRate(g=2e-4, d=2e-4, decay="linear"),
        adam=Adam(betas=(0.0, 0.9)),
        batch=Batch(g=64, d=64),
        n_dis=data.n_dis,
        steps=100_000,
        fidelity=Fidelity(every=25, real=50_000, metrics=("inception-score", "fid", "kid")),
    )


SOURCES: Final = """
Networks: SN-GAN's without spectral normalization (P). Betas 0.0 and 0.9, batches of 64, 100 000
generator steps, no EMA, IS, FID and KID of 50k v. 50k (P). Learning rates 2e-4 (the paper: dataset-
dependent), falling linearly to 0, {n_dis} discriminator steps, how often fidelity is measured: O.
"""


def grand(config: Config) -> Config:
    return replace(config, critic=Critic(kind="gran", tau=1 / K))


def granc(config: Config) -> Config:
    return replace(grand(config), loss="soft-hinge")


def ns(config: Config) -> Config:
    return config


def ns_gp(config: Config) -> Config:
    return replace(config, penalty=Penalty(kind="gp", weight=10.0))


def ns_sn(config: Config) -> Config:
    return replace(config, critic=Critic(kind="sn"))


def wgan_gp(config: Config) -> Config:
    return replace(ns_gp(config), loss="wasserstein", network=replace(config.network, pool_d="mean"))


def sngan(config: Config) -> Config:
    return replace(ns_sn(config), loss="hinge")


def tuned(config: Config) -> Config:
    """With the Lipschitz constant K where it was 1."""
    if config.critic.kind == "sn":
        return replace(config, critic=replace(config.critic, tau=1 / K))
    return replace(config, penalty=replace(config.penalty, target=K))


#: lr, beta1, beta2, discriminator steps.
STRESS: Final = {
    "a": (1e-4, 0.5, 0.9, 5),
    "b": (2e-4, 0.5, 0.999, 1),
    "c": (1e-3, 0.5, 0.999, 5),
    "d": (1e-3, 0.9, 0.999, 5),
    "e": (2e-4, 0.0, 0.9, 5),
}


def stressed(config: Config, letter: str) -> Config:
    rate, beta1, beta2, n_dis = STRESS[letter]
    rates = replace(config.lr, g=rate, d=rate)
    return replace(config, lr=rates, adam=Adam(betas=(beta1, beta2)), n_dis=n_dis)


@dataclass(frozen=True)
class Method:
    change: Callable[[Config], Config]
    what: str
    sources: str


GRAN_SOURCES: Final = "Critic: K = 1/tau = 0.83 (P on CIFAR-10, elsewhere O); epsilon: O."
METHODS: Final = {
    "grand": Method(grand, "GraND, non-saturating under GraN", GRAN_SOURCES),
    "granc": Method(granc, "GraNC, soft hinge under GraN", GRAN_SOURCES),
}
BASELINES: Final = {
    "gran-baseline-ns": Method(ns, "NSGAN, the non-saturating loss alone", "Critic: raw (P)."),
    "gran-baseline-ns-gp": Method(
        ns_gp, "NSGAN with gradient penalty", "Penalty: weight 10 at interpolates (P)."
    ),
    "gran-baseline-ns-sn": Method(
        ns_sn,
        "NSGAN with spectral normalization",
        "Critic: SN with one power iteration (P).",
    ),
    "gran-baseline-wgan-gp": Method(
        wgan_gp, "WGAN-GP", "Penalty: weight 10 at interpolates; D pools a mean (P)."
    ),
    "gran-baseline-sngan": Method(
        sngan,
        "SN-GAN, the hinge loss under SN",
        "Critic: SN with one power iteration (P).",
    ),
}
FIGURES: Final = {
    "grand-cifar10": "IS 8.03, FID 14.97, KID 0.0123 (50k v. 50k).",
    "granc-cifar10": "IS 7.97, FID 16.36 (50k v. 50k).",
}


def add(
    name: str,
    method: Method,
    data: Data,
    *,
    change: Callable[[Config], Config] = ns,
    what: str = "",
    sources: str = "",
) -> None:
    """``change`` is made last; ``what`` and ``sources`` tell of it."""
    GRAN.add(
        name,
        lambda: change(method.change(plain(data))),
        summary=f"{method.what}, on {data.title}{what}.",
        sources=SOURCES.format(n_dis=data.n_dis) + method.sources + sources,
        figure=FIGURES.get(name, NO_FIGURE),
    )


for name, method in (METHODS | BASELINES).items():
    for place, data in DATA.items():
        add(f"{name}-{place}", method, data)
for name, method in BASELINES.items():
    if method.change is not ns:
        add(
            f"{name}-cifar10-k",
            method,
            DATA["cifar10"],
            change=tuned,
            what=", K tuned",
            sources=" K = 0.83 (P).",
        )
for name, method in (METHODS | BASELINES).items():
    for letter in STRESS:
        add(
            f"{name}-cifar10-stress-{letter}",
            method,
            DATA["cifar10"],
            change=partial(stressed, letter=letter),
            what=f", stress setting {letter.upper()}",
            sources=" Learning rates, betas and discriminator steps are those of the stress setting (P).",
        )
