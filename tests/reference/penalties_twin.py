"""Gradient penalties as their papers print them, on Python floats, at a critic whose gradient is known:
``f(x) = <a, x> + b/2 |x|^2``, so ``grad f = a + b x``.
"""

import math

from tests.reference.losses_twin import mean


def gradient(a: list[float], b: float, x: list[float]) -> list[float]:
    return [ai + b * xi for ai, xi in zip(a, x, strict=True)]


def norm(v: list[float]) -> float:
    return math.sqrt(math.fsum(vi * vi for vi in v))


def of_norm(name: str, g: float, target: float) -> float:
    match name:
        case "gp" | "dragan":
            return (g - target) ** 2
        case "0-gp":
            return g**2
        case "lp":
            return max(0.0, g - target) ** 2
        case "r1":
            return g**2 / 2
    raise ValueError(name)


def slope(name: str, g: float, target: float) -> float:
    """The derivative of ``of_norm`` by ``g``."""
    match name:
        case "gp" | "dragan":
            return 2 * (g - target)
        case "0-gp":
            return 2 * g
        case "lp":
            return 2 * max(0.0, g - target)
        case "r1":
            return g
    raise ValueError(name)


def penalty(name: str, target: float, a: list[float], b: float, points: list[list[float]]) -> float:
    return mean([of_norm(name, norm(gradient(a, b, x)), target) for x in points])


def by_a(name: str, target: float, a: list[float], b: float, points: list[list[float]]) -> list[float]:
    """The gradient of ``penalty`` by ``a``: each norm ``g`` has the gradient ``grad f / g``."""
    total = [0.0] * len(a)
    for x in points:
        v = gradient(a, b, x)
        for i, vi in enumerate(v):
            total[i] += slope(name, norm(v), target) * vi / norm(v) / len(points)
    return total


def by_b(name: str, target: float, a: list[float], b: float, points: list[list[float]]) -> float:
    """The gradient of ``penalty`` by ``b``."""
    total = 0.0
    for x in points:
        v = gradient(a, b, x)
        along = math.fsum(vi * xi for vi, xi in zip(v, x, strict=True))
        total += slope(name, norm(v), target) * along / norm(v) / len(points)
    return total
