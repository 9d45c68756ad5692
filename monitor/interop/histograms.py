"""From a histogram to the quantiles of a distribution series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

QUANTILES = (0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99)


def distribution_of(
    left: Sequence[float] | npt.NDArray[np.float64],
    right: Sequence[float] | npt.NDArray[np.float64],
    count: Sequence[float] | npt.NDArray[np.float64],
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
    for share in QUANTILES:
        bucket = min(int(np.searchsorted(behind, share * n)), len(counts) - 1)
        inside = (share * n - (behind[bucket] - counts[bucket])) / counts[bucket]
        quantiles.append(float(lefts[bucket] + inside * (rights[bucket] - lefts[bucket])))
    centre = float(((lefts + rights) / 2 * counts).sum() / n) if mean is None else mean
    return (lowest, *quantiles, highest, centre, n)
