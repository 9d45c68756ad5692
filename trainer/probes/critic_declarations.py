"""What the series of the critic's probes say about themselves."""

from collections.abc import Iterator, Sequence
from typing import Final

from .recorder import Series

#: Where the critic is looked at.
REAL_AND_FAKE: Final = {"real": "real images", "fake": "generated images"}
SIDES: Final = REAL_AND_FAKE | {"interpolated": "images between a real and a generated one"}


def gradient_norms(*, is_normalized: bool) -> Iterator[Series]:
    for side, word in SIDES.items():
        yield Series(
            name=f"gradient_norm/{side}",
            kind="distribution",
            lower=0,
            role=f"gn_{side}" if side in REAL_AND_FAKE else None,
            help=f"How steep the critic is at {word}: the length of its output's gradient by the image, "
            "one number a sample of the batch, critic in eval mode. Good: quantiles close together and "
            "steady. Upper quantiles that climb by orders of magnitude say that the critic becomes a "
            "cliff; all near 0, that the generator learns nothing.",
        )
        if is_normalized:
            yield Series(
                name=f"gradient_norm_raw/{side}",
                kind="distribution",
                lower=0,
                help=f"The same of the discriminator without its normalization, at {word}. It may grow "
                "freely: what the generator feels is the normalized one.",
            )


def gradient_rms() -> Iterator[Series]:
    for side, word in REAL_AND_FAKE.items():
        yield Series(
            name=f"gradient_rms/{side}",
            kind="distribution",
            lower=0,
            help="Length of the gradient of the discriminator without its normalization, over the root of "
            f"the number of pixels, at {word}. Where a normalizer takes the gradient from an image of ones "
            "(PGN as its code has it), far under 1 says that the ones rule, and the critic is a softsign "
            "of fixed width; far over 1, that the gradient rules, as the paper means it.",
        )


def generator_gradient() -> Series:
    return Series(
        name="gradient_norm_loss/fake",
        kind="distribution",
        lower=0,
        help="How hard the generator's loss pushes each generated image: the length of the gradient of the "
        "image's own loss by its pixels. Good: moderate and steady. Near 0 for most: the loss or the "
        "critic saturates, and the generator learns nothing.",
    )


def saturation() -> Iterator[Series]:
    for side, word in REAL_AND_FAKE.items():
        yield Series(
            name=f"saturated/{side}",
            lower=0,
            upper=1,
            direction="lower",
            help=f"Share of {word} whose score is at the end of its scale: there the critic or the loss is "
            "so flat that a better image would hardly be noticed. Good: near 0. Near 1 the critic is sure "
            "of everything and teaches nothing.",
        )


def finite_differences(deltas: Sequence[float]) -> Iterator[Series]:
    for side, word in REAL_AND_FAKE.items():
        for delta in deltas:
            yield Series(
                name=f"finite_difference/{side}/{delta:g}",
                kind="distribution",
                lower=0,
                help=f"How much the critic's output changes on a way of length {delta:g} from {word} along "
                "its gradient, over that length: a lower bound of its Lipschitz constant, one number a "
                "sample. Good: about alike for all lengths. Large only for short ways: the critic is "
                "steep in tiny regions.",
            )
        yield Series(
            name=f"finite_difference_floor/{side}",
            lower=0,
            help=f"The shortest way from {word} whose difference float32 still resolves to about 1 % "
            "(median over the samples). Distributions of shorter ways are rounding. Good: under the "
            "shortest way measured. It climbs as the critic becomes flat.",
        )
        yield Series(
            name=f"finite_difference_flat/{side}",
            lower=0,
            help=f"How many of {word} have a gradient that is exactly 0: their ways went in random "
            "directions. Good: 0. More says that the critic is dead there.",
        )


def lipschitz_constant(n: int | None) -> Iterator[Series]:
    """``n``: how many real images, and how many samples; None for those of the last batches."""
    fixed = f"{n} real and {n} generated images, always the same and from the same latents (of a critic that "
    where = "the last batches" if n is None else fixed + "takes labels: the last batches)"
    yield Series(
        name="lipschitz/constant",
        lower=0,
        n=n,
        help=f"Estimate of the critic's Lipschitz constant: its steepest gradient at {where}. A lower bound. "
        "Good: steady; under gradient normalization at most 1.",
    )
    yield Series(
        name="lipschitz/constant_max",
        lower=0,
        n=n,
        help="The greatest estimate of the critic's Lipschitz constant so far.",
    )


def layer_lipschitz(layers: Sequence[str]) -> Iterator[Series]:
    """``layers``: the names of the discriminator's linear layers and convolutions, in order."""
    for number, layer in enumerate(layers, start=1):
        yield Series(
            name=f"lipschitz/layer/{number}",
            lower=0,
            help=f"By how much layer {number} of the discriminator ({layer}) stretches at most what comes "
            "in: its spectral norm as an operator, at the size of its real input. Good: steady. Growth "
            "of one layer alone says where a critic becomes steep.",
        )
        yield Series(
            name=f"lipschitz/prefix/{number}",
            lower=0,
            help=f"How steep the discriminator is from the image up to the output of layer {number} "
            f"({layer}): the greatest singular value of the Jacobian, over a few real and generated "
            "images. Falling with depth: every layer is held down, and the critic loses capacity. Free "
            "inside and near 1 for the whole critic: what gradient normalization is for.",
        )
    if layers:
        yield Series(
            name="lipschitz/product",
            lower=0,
            help="Product of what all layers of the discriminator stretch: an upper bound of its Lipschitz "
            "constant where nothing branches, mostly far too high.",
        )
    yield Series(
        name="lipschitz/whole",
        lower=0,
        help="How steep the whole critic, as the loss sees it, is at the images that the prefixes were "
        "measured at: its steepest gradient. Under gradient normalization at most 1.",
    )
