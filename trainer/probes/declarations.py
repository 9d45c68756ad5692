"""What the probes' series say about themselves: unit, direction, bounds, role, and the tooltip's words."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from .judges import Described
from .recorder import Series

NETWORKS: Final = {"g": "generator", "d": "discriminator", "g_ema": "averaged generator"}
#: What the detector takes a network's series for; it reads nothing of the others.
ROLES: Final = {"g": "G", "d": "D"}


def iteration_angles(networks: Iterable[str]) -> Iterator[Series]:
    for net in networks:
        word = NETWORKS[net]
        yield Series(
            name=f"angle/iter/{net}",
            unit="°",
            lower=0,
            upper=180,
            role=f"S_{ROLES[net]}" if net in ROLES else None,
            help=f"Stability: how far the {word}'s weights turned during one generator step, as the angle "
            "between them before and after. Good: settles and stays low. A leap by an order of magnitude "
            "is an early sign of collapse.",
        )
        yield Series(
            name=f"weight_norm/iter/{net}",
            lower=0,
            help=f"Length of the {word}'s weights after the step, all of its matrices and kernels as one "
            "vector. Good: grows slowly. Read with the angle: the longer the weights, the smaller the angle "
            "that the same update makes.",
        )
        yield Series(
            name=f"relative_update/iter/{net}",
            lower=0,
            help=f"How much of the {word} one generator step rewrote: length of the change of its weights "
            "over their length before. Good: well under 1, steady or falling. Unlike the angle it also sees "
            "a change of length.",
        )


def iteration_layer_angles(layers: Mapping[str, Iterable[str]]) -> Iterator[Series]:
    """``layers``: names of each network's layers."""
    for net, of_net in layers.items():
        for layer in of_net:
            yield Series(
                name=f"angle/iter_layer/{net}/{layer}",
                unit="°",
                lower=0,
                upper=180,
                help=f"How far the weights of the {NETWORKS[net]}'s layer {layer} turned during one "
                "generator step. Shows which layer a leap of the whole network comes from.",
            )


def epoch_angles(layers: dict[str, Iterable[str]]) -> Iterator[Series]:
    """``layers``: names of each network's layers."""
    for net, of_net in layers.items():
        word = NETWORKS[net]
        yield Series(
            name=f"angle/epoch/{net}",
            unit="°",
            lower=0,
            upper=180,
            role=f"S_{ROLES[net]}_ep" if net in ROLES else None,
            help=f"Stability: how far the {word}'s weights turned since the mark before, as the angle "
            "between them then and now. Good: falls and settles. A leap that stays says that training "
            "left the place where it was good.",
        )
        yield Series(
            name=f"weight_norm/{net}",
            lower=0,
            role=f"wn_{ROLES[net]}" if net in ROLES else None,
            help=f"Length of the {word}'s weights, all of its matrices and kernels as one vector. Good: "
            "grows slowly. The longer they are, the smaller the angle that the same update makes.",
        )
        yield Series(
            name=f"relative_update/{net}",
            lower=0,
            help=f"How much of the {word} was rewritten since the mark before: length of the change of "
            "its weights over their length then. Good: well under 1, and falling. Unlike the angle it "
            "also sees a change of length.",
        )
        for layer in of_net:
            yield Series(
                name=f"angle/layer/{net}/{layer}",
                unit="°",
                lower=0,
                upper=180,
                help=f"How far the weights of the {word}'s layer {layer} turned since the mark before. "
                "Shows which layer a leap of the whole network comes from.",
            )


def judged(judges: Iterable[Described], n: int, n_real: int) -> Iterator[Series]:
    """The roles Q and D have the first judges that give quality and modes."""
    roles = {"Q", "D"}
    for judge in judges:
        for series in (*_quality_of(judge, n), *_diversity_of(judge, n, n_real)):
            yield series if series.role in roles else replace(series, role=None)
            roles -= {series.role or ""}


def _quality_of(judge: Described, n: int) -> Iterator[Series]:
    if not judge.gives_quality:
        return
    yield _of(
        judge,
        "quality",
        n,
        upper=1,
        direction="higher",
        role="Q",
        help=f"Q: how surely a sample is what it should be, on average. {_samples(judge, n)} Good: climbs to "
        "the value of real images and stays.",
    )
    yield _of(
        judge,
        "quality_se",
        n,
        upper=0.5,
        help="Standard error of Q: the samples' standard deviation over the root of their number.",
    )
    yield _of(
        judge,
        "recognized",
        n,
        upper=1,
        direction="higher",
        help="Share of samples that the judge takes for what they should be at all (q over one half). Good: "
        "near 1. While it is low, modes are told apart among things that are none, and D means little.",
    )


def _diversity_of(judge: Described, n: int, n_real: int) -> Iterator[Series]:
    if judge.m is None:
        return
    most = math.log(judge.m)
    yield _of(
        judge,
        "diversity",
        n,
        unit="nats",
        upper=most,
        direction="higher",
        role="D",
        help=f"D: entropy of how samples spread over {judge.m} modes, shrunk by James and Stein's rule. "
        f"{_samples(judge, n)} Good: near the same number for real images; {most:.3f} would be all "
        "modes alike. A fall says that modes are dropped.",
    )
    yield _of(
        judge,
        "diversity_se",
        n,
        unit="nats",
        help="Standard error of D, by leaving out one sample at a time (jackknife).",
    )
    yield _of(
        judge,
        "diversity_share",
        n,
        upper=1,
        direction="higher",
        help="D as a share of the most it could be, ln m.",
    )
    yield _of(
        judge,
        "diversity_real",
        n_real,
        unit="nats",
        upper=most,
        help=f"D of {n_real} real images, by the same judge and estimator: where D should be.",
    )
    yield _of(
        judge,
        "modes_seen",
        n,
        upper=judge.m,
        direction="higher",
        help=f"How many of the {judge.m} modes at least one sample fell into.",
    )
    yield _of(
        judge,
        "shrinkage",
        n,
        upper=1,
        help="Lambda of the estimate of D: 0 trusts the counts, 1 puts the uniform in their place. Good: "
        "near 0. High where counts are nearly uniform or samples few.",
    )


def _of(judge: Described, name: str, n: int, **facts: Any) -> Series:
    return Series(name=f"{name}/{judge.name}", lower=0, judge=judge.name, m=judge.m, n=n, **facts)


def _samples(judge: Described, n: int) -> str:
    return f"{n} samples from latents that never change. {judge.help}"


def skipped_evaluations() -> Series:
    return Series(
        name="skipped_evaluations",
        lower=0,
        direction="lower",
        help="How many marks were not judged, because the judges, who work beside training, were still busy "
        "with earlier ones. Good: 0 or few. Every second mark: judging takes longer than an epoch.",
    )
