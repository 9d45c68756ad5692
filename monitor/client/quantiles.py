"""From samples to the eleven numbers of a distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor.client.values import Rejected

#: The percentiles among ``protocol.DISTRIBUTION_FIELDS``, minimum and maximum first and last.
PERCENTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)


def describe(samples: npt.NDArray[np.float64]) -> list[float]:
    """Minimum, percentiles, maximum, mean and number of the samples, in the order of the protocol.

    Percentiles lie on straight lines between the sorted samples, as NumPy has them. A NaN among the samples
    makes all but their number NaN: it is not hidden. Raises ``Rejected`` where there are none.
    """
    flat = np.sort(samples, axis=None)
    if flat.size == 0:
        raise Rejected("has no values")
    if np.isnan(flat[-1]):
        return [math.nan] * (len(PERCENTILES) + 1) + [float(flat.size)]
    at = np.array(PERCENTILES) / 100 * (flat.size - 1)
    below, above = flat[np.floor(at).astype(int)], flat[np.ceil(at).astype(int)]
    with np.errstate(invalid="ignore", over="ignore"):
        # Between equal neighbours there is nothing to draw a line through, infinite ones among them.
        quantiles = np.where(below == above, below, below + (above - below) * (at % 1))
        return [*quantiles.tolist(), float(flat.mean()), float(flat.size)]


def describe_buckets(limits: Sequence[float], counts: Sequence[float]) -> list[float]:
    """The same from a histogram: ``counts[i]`` values lie between ``limits[i - 1]`` and ``limits[i]``.

    As in TensorBoard the first bucket has no lower limit of its own: what is in it counts as lying at its
    limit. Within a bucket values are taken to be spread evenly. Raises ``Rejected`` where there are none.
    """
    edges, weights = np.asarray(limits, np.float64), np.asarray(counts, np.float64)
    total = weights.sum()
    if edges.shape != weights.shape or edges.ndim != 1 or not total > 0:
        raise Rejected("is no histogram: it needs as many counts as limits, and some counts")
    lower = np.concatenate([edges[:1], edges[:-1]])
    filled = weights > 0
    first, last = lower[filled][0], edges[filled][-1]
    reached = np.concatenate([[0.0], np.cumsum(weights)])
    quantiles = np.interp(np.array(PERCENTILES) / 100 * total, reached, np.concatenate([[first], edges]))
    mean = float(((lower + edges) / 2 * weights).sum() / total)
    return [*np.clip(quantiles, first, last).tolist(), mean, float(total)]
