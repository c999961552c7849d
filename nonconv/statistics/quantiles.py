"""Quantiles of the paths at each recorded step, and intervals for them that hold for any law."""

from functools import lru_cache
from typing import NamedTuple

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


class Quantile(NamedTuple):
    """A quantile of paths with its interval. low, high: -inf and inf where even all paths leave an end open."""

    value: float
    low: float
    high: float


def quantile(ordered: Array, level: float, confidence: float = 0.95) -> Quantile:
    """Return the quantile at this level of ordered numbers (n,), n > 0, with an interval between two of them.

    The interval holds the quantile of the law with probability `confidence` or more, whatever the law is: the number of paths
    below a quantile is binomial (David & Nagaraja 2003, Order Statistics, 7.1). Infinite numbers count as such, nan as the
    largest.
    """
    n = len(ordered)
    below, above = _ranks(n, level, confidence)
    value = float(ordered[max(int(np.ceil(level * n)) - 1, 0)])
    return Quantile(value, float(ordered[below]) if below >= 0 else -np.inf, float(ordered[above]) if above < n else np.inf)


def quantiles(ordered: Array, level: float, confidence: float = 0.95) -> tuple[Array, Array, Array]:
    """Return for each row of ordered (rows, n) what `quantile` does: value, low and high, shape (rows,) each."""
    rows, n = ordered.shape
    below, above = _ranks(n, level, confidence)
    low = ordered[:, below] if below >= 0 else np.full(rows, -np.inf)
    high = ordered[:, above] if above < n else np.full(rows, np.inf)
    return ordered[:, max(int(np.ceil(level * n)) - 1, 0)], low, high


@lru_cache
def _ranks(n: int, level: float, confidence: float) -> tuple[int, int]:
    """Return the indices of the ends among n ordered numbers, from 0 on; -1 and n where an end is open.

    With B numbers below the quantile, the k-th smallest is above it if B < k, and the lower end is the last k for which that
    is improbable enough; the upper end likewise.
    """
    tail = (1.0 - confidence) / 2.0
    k = np.arange(n + 1)
    # Sums of logarithms instead of factorials, which leave the doubles from 171 on.
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, n + 1.0)))])
    log_mass = factorial[n] - factorial[k] - factorial[n - k] + k * np.log(level) + (n - k) * np.log1p(-level)
    at_most = np.cumsum(np.exp(log_mass))
    at_least = np.cumsum(np.exp(log_mass)[::-1])[::-1]
    # P(B <= below) <= tail, the most; P(B >= above + 1) <= tail, the least.
    below = int(np.searchsorted(at_most, tail, side="right")) - 1
    above = n - int(np.searchsorted(at_least[::-1], tail, side="right"))
    return below, above
