"""Gradient normalization (Wu et al., ICCV 2021), and the systems that penalty gradient normalization trains
as well: the same but for the critic.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from trainer.config import (
    Adam,
    Batch,
    Checkpoints,
    Config,
    Consistency,
    Critic,
    CriticName,
    Ema,
    Fidelity,
    LearningRate,
    Network,
)
from trainer.recipes.paper import NO_FIGURE, Paper

GN: Final = Paper("Gradient normalization: GN (Wu et al., ICCV 2021)")

CNN: Final = Network(
    architecture="cnn", width_g=64, width_d=64, init="normal", activation_d="leaky-relu", slope=0.1
)
#: At 32 pixels all layers are equally wide, at others these are the widths next to the image.
RESNET_32: Final = Network(
    architecture="resnet", width_g=256, width_d=128, init="kaiming", activation_d="relu"
)
RESNET: Final = replace(RESNET_32, width_g=64, width_d=64)
BIGGAN: Final = Network(
    architecture="biggan",
    width_g=256,
    width_d=256,
    init="xavier",
    activation_d="relu",
    pool_d="sum",
    classes=10,
)

CNN_SOURCES: Final = """
Networks: CNN (P), weights N(0, 0.02) (C; PGN's text says Kaiming normal). Loss: non-saturating, on the
normalized score (C; PGN's text says hinge). One discriminator step (C). Learning rates 2e-4, betas 0.0
and 0.9, batches of 64 (D) and 128 (G), 200 000 generator steps, EMA 0.9999 from the start (P).
"""
RESNET_SOURCES: Final = """
Networks: ResNet (P), Kaiming normal. Hinge loss, learning rates 2e-4 (G) and 4e-4 (D), betas 0.0 and
0.9, batches of 64 (D) and 128 (G), five discriminator steps, 200 000 generator steps, EMA 0.9999 from
the start (P). Rates fall linearly to 0 (C).
"""
BIGGAN_SOURCES: Final = """
Networks: conditional BigGAN without spectral normalization in D (P, details C). Hinge loss, learning
rates 1e-4 (G) and 2e-4 (D), betas 0.0 and 0.999, batches of 50, four discriminator steps, 125 000
generator steps, no decay, EMA 0.9999 from step 1000 (P).
"""
LARGE_SOURCES: Final = """
Networks: ResNet (P), Kaiming normal. Hinge loss, learning rates 2e-4, betas 0.0 and 0.9, batches of 64
(D) and 128 (G), five discriminator steps, 100 000 generator steps, no decay, EMA 0.9999 from step
{start} (P).
"""
STL10_SOURCES: Final = " PGN's text has 500 000 steps on STL-10: --steps 500000."
CR_SOURCES: Final = " Consistency regularization, weight 5 (P)."
OTHER_SOURCES: Final = " Real images are mirrored at random (C). How often fidelity is measured: O."


@dataclass(frozen=True)
class System:
    """One row of both papers, but for the critic."""

    make: Callable[[], Config]
    what: str
    sources: str


def cnn(dataset: Literal["cifar10", "stl10"]) -> Config:
    return Config(
        recipe="cnn",
        dataset=dataset,
        size=32 if dataset == "cifar10" else 48,
        channels=3,
        mirror=True,
        network=CNN,
        loss="ns",
        lr=LearningRate(g=2e-4, d=2e-4),
        adam=Adam(betas=(0.0, 0.9)),
        batch=Batch(g=128, d=64),
        n_dis=1,
        steps=200_000,
        ema=Ema(decay=0.9999),
        fidelity=Fidelity(every=5),
    )


def resnet(dataset: Literal["cifar10", "stl10"]) -> Config:
    return replace(
        cnn(dataset),
        network=RESNET_32 if dataset == "cifar10" else RESNET,
        loss="hinge",
        lr=LearningRate(g=2e-4, d=4e-4, decay="linear"),
        n_dis=5,
        fidelity=Fidelity(every=25),
    )


def biggan() -> Config:
    return replace(
        cnn("cifar10"),
        network=BIGGAN,
        loss="hinge",
        lr=LearningRate(g=1e-4, d=2e-4),
        adam=Adam(betas=(0.0, 0.999)),
        batch=Batch(g=50, d=50),
        n_dis=4,
        steps=125_000,
        ema=Ema(decay=0.9999, start=1000),
        fidelity=Fidelity(every=20),
    )


def large(
    dataset: Literal["celeba-hq", "lsun-church"], size: int, *, samples: int, real: int = 0, ema_start: int
) -> Config:
    return replace(
        cnn("cifar10"),
        dataset=dataset,
        size=size,
        network=RESNET,
        loss="hinge",
        n_dis=5,
        steps=100_000,
        ema=Ema(decay=0.9999, start=ema_start),
        fidelity=Fidelity(every=10, samples=samples, real=real, metrics=("fid",)),
        checkpoints=Checkpoints(every=1),
    )


def regularized(make: Callable[[], Config]) -> Callable[[], Config]:
    """The same with consistency regularization."""
    return lambda: replace(make(), consistency=Consistency(weight=5.0))


#: Both papers' rows.
SYSTEMS: Final[dict[str, System]] = {
    "cifar10-cnn": System(lambda: cnn("cifar10"), "CIFAR-10 at 32, CNN", CNN_SOURCES),
    "cifar10-resnet": System(lambda: resnet("cifar10"), "CIFAR-10 at 32, ResNet", RESNET_SOURCES),
    "stl10-cnn": System(lambda: cnn("stl10"), "STL-10 at 48, CNN", CNN_SOURCES + STL10_SOURCES),
    "stl10-resnet": System(lambda: resnet("stl10"), "STL-10 at 48, ResNet", RESNET_SOURCES + STL10_SOURCES),
    "cifar10-biggan": System(biggan, "CIFAR-10 at 32 by class, BigGAN", BIGGAN_SOURCES),
    "celebahq128": System(
        lambda: large("celeba-hq", 128, samples=3000, real=3000, ema_start=10_000),
        "CelebA-HQ at 128, ResNet",
        LARGE_SOURCES.format(start="10 000"),
    ),
    "celebahq256": System(
        lambda: large("celeba-hq", 256, samples=10_000, ema_start=10_000),
        "CelebA-HQ at 256, ResNet",
        LARGE_SOURCES.format(start="10 000"),
    ),
}
#: Those that both papers also train with consistency regularization.
REGULARIZED: Final = ("cifar10-cnn", "cifar10-resnet", "stl10-cnn", "stl10-resnet", "cifar10-biggan")
CHURCH: Final = System(
    lambda: large("lsun-church", 256, samples=10_000, ema_start=20_000),
    "LSUN Church at 256, ResNet",
    LARGE_SOURCES.format(start="20 000"),
)


TITLES: Final[dict[CriticName, str]] = {"gn": "GN", "pgn": "PGN", "pgn-code": "PGN's code"}


def add_system(paper: Paper, kind: CriticName, name: str, system: System, figure: str) -> None:
    def make() -> Config:
        return replace(system.make(), critic=Critic(kind=kind))

    paper.add(
        f"{kind}-{name}",
        make,
        summary=f"{TITLES[kind]} on {system.what}.",
        sources=system.sources + OTHER_SOURCES,
        figure=figure,
    )


def with_regularized(systems: dict[str, System]) -> dict[str, System]:
    """The systems, and after each that has one its form with consistency regularization."""
    every: dict[str, System] = {}
    for name, system in systems.items():
        every[name] = system
        if name in REGULARIZED:
            every[f"{name}-cr"] = System(
                regularized(system.make),
                f"{system.what}, with consistency regularization",
                system.sources + CR_SOURCES,
            )
    return every


#: Inception score and FID as printed, FID against the training set on 50 000 samples unless said otherwise.
FIGURES: Final[dict[str, str]] = {
    "cifar10-cnn": "IS 7.71, FID 19.31 (50k v. train).",
    "cifar10-resnet": "IS 8.49, FID 11.13 (50k v. train).",
    "cifar10-resnet-cr": "IS 8.72, FID 9.55 (50k v. train).",
    "cifar10-biggan-cr": "IS 9.35, FID 4.86 (50k v. train).",
    "celebahq256": "FID 7.67 (10k v. 30k, C).",
}

for name, system in with_regularized(SYSTEMS | {"church256": CHURCH}).items():
    add_system(GN, "gn", name, system, FIGURES.get(name, NO_FIGURE))
