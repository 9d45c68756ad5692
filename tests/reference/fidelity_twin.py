"""IS, FID, KID, precision and recall as their papers have them, slowly, in float64."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import sqrtm

Features = NDArray[np.float64]


def inception_score(logits: Features, splits: int, order: NDArray[np.int64]) -> tuple[float, float]:
    """exp(mean KL(p(y|x) || p(y))) of each split of the images in that order; mean and deviation."""
    exponentials = np.exp(logits[order] - logits[order].max(axis=1, keepdims=True))
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    scores = []
    for i in range(splits):
        part = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        marginal = part.mean(axis=0)
        divergences = [sum(q * np.log(q / m) for q, m in zip(row, marginal, strict=True)) for row in part]
        scores.append(np.exp(np.mean(divergences)))
    return float(np.mean(scores)), float(np.std(scores))


def frechet_distance(a: Features, b: Features) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))"""
    c_a, c_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(c_a @ c_b).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c_a + c_b - 2 * root))


def kernel_distance(a: Features, b: Features) -> float:
    """The unbiased estimate of the squared MMD under (x y / d + 1)^3, term by term."""

    def kernel(x: Features, y: Features) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    m = len(a)
    within = sum(kernel(some[i], some[j]) for some in (a, b) for i in range(m) for j in range(m) if i != j)
    between = sum(kernel(x, y) for x in a for y in b)
    return within / (m * (m - 1)) - 2 * between / (m * m)


def precision_recall(generated: Features, real: Features, neighbours: int) -> tuple[float, float]:
    """Shares of generated images within the reach of real ones, and the other way round."""

    def share(these: Features, others: Features) -> float:
        """Of ``these`` that lie in the ball of one of ``others``, which reaches to its k-th neighbour."""
        reach = [np.sort(np.linalg.norm(others - one, axis=1))[neighbours] for one in others]
        inside = [any(np.linalg.norm(others - x, axis=1) <= reach) for x in these]
        return float(np.mean(inside))

    return share(generated, real), share(real, generated)
