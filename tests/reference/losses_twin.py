"""The losses as their papers print them, one sample after the other, on Python floats."""

import math


def softplus(x: float) -> float:
    return math.log1p(math.exp(x)) if x < 30 else x


def mean(numbers: list[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def discriminator_loss(name: str, real: list[float], fake: list[float]) -> float:
    match name:
        case "ns":
            return mean([softplus(-h) for h in real]) + mean([softplus(h) for h in fake])
        case "ls":
            return mean([(h - 1) ** 2 for h in real]) + mean([h**2 for h in fake])
        case "hinge":
            return mean([max(0.0, 1 - h) for h in real]) + mean([max(0.0, 1 + h) for h in fake])
        case "soft-hinge":
            return mean([softplus(1 - h) for h in real]) + mean([softplus(1 + h) for h in fake])
        case "wasserstein":
            return -mean(real) + mean(fake)
    raise ValueError(name)


def generator_loss(name: str, fake: list[float]) -> float:
    match name:
        case "ns":
            return mean([softplus(-h) for h in fake])
        case "ls":
            return mean([(h - 1) ** 2 for h in fake])
        case "hinge" | "soft-hinge" | "wasserstein":
            return mean([-h for h in fake])
    raise ValueError(name)
