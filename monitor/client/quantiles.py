"""From samples, or from a histogram of them, to the eleven numbers of a distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor.client.values import Rejected

Numbers = Sequence[float] | npt.NDArray[np.float64]

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
    lower = np.concatenate([edges[:1], edges[:-1]])
    found = (
        distribution_of(lower, edges, weights) if edges.shape == weights.shape and edges.ndim == 1 else None
    )
    if found is None:
        raise Rejected("is no histogram: it needs as many counts as limits, and some counts")
    return list(found)


def distribution_of(
    left: Numbers,
    right: Numbers,
    count: Numbers,
    *,
    lowest: float | None = None,
    highest: float | None = None,
    mean: float | None = None,
) -> tuple[float, ...] | None:
    """Eleven numbers, in the order of ``protocol.DISTRIBUTION_FIELDS``; None for an empty histogram.

    Within a bucket ``[left, right]`` the values are taken to be spread evenly, so that a quantile is off by
    less than its bucket is wide. ``lowest``, ``highest`` and ``mean`` are exact where the histogram knows
    them; otherwise they are those of the buckets.
    """
    counts = np.asarray(count, np.float64)
    filled = counts > 0
    counts = counts[filled]
    if not len(counts):
        return None
    lefts, rights = np.asarray(left, np.float64)[filled], np.asarray(right, np.float64)[filled]
    lowest = float(lefts[0]) if lowest is None else lowest
    highest = float(rights[-1]) if highest is None else highest
    # The outermost edges of TensorFlow's buckets are the largest float.
    lefts, rights = np.clip(lefts, lowest, highest), np.clip(rights, lowest, highest)
    behind = np.cumsum(counts)
    n = float(behind[-1])
    quantiles = []
    for share in (percentile / 100 for percentile in PERCENTILES[1:-1]):
        bucket = min(int(np.searchsorted(behind, share * n)), len(counts) - 1)
        inside = (share * n - (behind[bucket] - counts[bucket])) / counts[bucket]
        quantiles.append(float(lefts[bucket] + inside * (rights[bucket] - lefts[bucket])))
    centre = float(((lefts + rights) / 2 * counts).sum() / n) if mean is None else mean
    return (lowest, *quantiles, highest, centre, n)
