"""Quantiles of the paths at each recorded step."""

import numpy as np

from nonconv.numerics.arithmetic import Array

QUANTILE_LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Pairs around the median: shares of 50, 80 and 95 % of the paths."""


def fan_quantiles(fan: Array) -> Array:
    """Return order statistics of fan (R, coordinates, paths) at QUANTILE_LEVELS, shape (levels, R, coordinates).

    The inverse of the empirical distribution function, never a mean of two paths, so infinite iterates are quantiles
    like any other; nan counts as the largest. Without paths there are no levels.
    """
    if not fan.shape[2]:
        return np.empty((0, *fan.shape[:2]))
    ordered = np.sort(fan, axis=2)
    # The least k with k / paths >= level, counted from 0.
    ranks = np.ceil(np.array(QUANTILE_LEVELS) * fan.shape[2]).astype(int) - 1
    return np.moveaxis(ordered[:, :, np.maximum(ranks, 0)], 2, 0)
