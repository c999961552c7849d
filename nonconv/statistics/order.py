"""The fitted order of a quantity: the slope of the logarithm of its mean against the logarithm of a number, over cells.

    E|theta_T - xi|^2 ~ C gamma^p       the order p in the learning rate gamma

The line is that of ordinary least squares, so that its slope is a fixed function of the true means, whether these lie on
a line or not; weights from standard errors would make what is estimated depend on the sample. Cells of one seed have
the same random numbers, so their means are correlated. The jackknife over paths takes that into account: a path is left
out of all cells at once. Paths of different seeds are independent: for them the same formula is right on average.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import effective_number, estimate, moments

FEW_PATHS = 30
"""With an effective number of paths below this, the interval of a logarithm of a mean would be too narrow."""


class Order(NamedTuple):
    """A fitted slope with its 95 % interval, nan where there is none.

    misfit: the largest factor between a mean and the line, minus 1. paths: how many the interval rests on. reason: why there
    is no interval; empty if there is one.
    """

    value: float
    se: float
    ci_low: float
    ci_high: float
    misfit: float
    paths: int
    reason: str = ""


def fitted_order(x: Sequence[float], samples: Sequence[Array], exact: bool = False) -> Order:
    """Fit the slope of log mean(samples) against log x.

    x: a positive number per cell, of which at least two differ. samples: the quantity's numbers per cell, one per path, in the
    order of the paths, which are paired between cells. exact: nothing is random, so that a mean is the quantity itself.
    """
    paths = min(map(len, samples))
    # Only common paths are paired.
    numbers = np.array([own[:paths] for own in samples])
    with np.errstate(over="ignore", invalid="ignore"):
        means = numbers.mean(axis=1)
    if not (np.isfinite(means) & (means > 0)).all():
        worst = means[~(np.isfinite(means) & (means > 0))][0]
        return Order(np.nan, np.nan, np.nan, np.nan, np.nan, paths, f"a mean is {worst:g}, which has no finite logarithm")
    return jackknifed(np.log(np.asarray(x, dtype=np.float64)), numbers, np.zeros(len(numbers)), exact)


def jackknifed(x: Array, numbers: Array, log_units: Array, exact: bool) -> Order:
    """Fit the slope of the logarithms of means against x (rows,), with the jackknife's interval over paths.

    numbers (rows, paths): in units whose logarithms are log_units (rows,); their means are positive and finite.
    """
    paths = numbers.shape[1]
    weights, logs = _weights(x), np.log(numbers.mean(axis=1)) + log_units
    slope = float(weights @ logs)
    misfit = _misfit(x, logs, slope)
    if exact:
        return Order(slope, 0.0, slope, slope, misfit, paths)
    reason = _why_no_interval(numbers)
    if reason:
        return Order(slope, np.nan, np.nan, np.nan, misfit, paths, reason)
    # Units shift every logarithm by a constant, of which the jackknife keeps nothing.
    shift = float(weights @ log_units)
    pseudo = _pseudo_values(weights, numbers, slope - shift) + shift
    value, se, low, high = (float(field[0]) for field in estimate(moments(pseudo[None])))
    return Order(value, se, low, high, misfit, paths)


def _weights(log_x: Array) -> Array:
    """Return the weights by which least squares forms a slope from logarithms, shape (cells,)."""
    away: Array = log_x - log_x.mean()
    return away / (away @ away)


def _misfit(log_x: Array, logs: Array, slope: float) -> float:
    """Return by which factor, minus 1, the mean that is furthest from the line is away from it."""
    rest = logs - logs.mean() - slope * (log_x - log_x.mean())
    with np.errstate(over="ignore"):
        return float(np.expm1(np.abs(rest).max()))


def _why_no_interval(numbers: Array) -> str:
    """Say why paths give no interval; empty if they do."""
    paths = numbers.shape[1]
    if paths < 2:
        return "one path gives no interval"
    least = float(effective_number(moments(numbers)).min())
    if least < min(FEW_PATHS, paths / 4):
        return f"about {least:.1f} of {paths} paths dominate a mean"
    return ""


def _pseudo_values(weights: Array, numbers: Array, slope: float) -> Array:
    """Return the jackknife's pseudo-values, (paths,): their mean is the slope, corrected for the bend of the logarithm."""
    paths = numbers.shape[1]
    total = numbers.sum(axis=1, keepdims=True)
    left = np.maximum((total - numbers) / (paths - 1), np.finfo(np.float64).tiny)
    found: Array = paths * slope - (paths - 1) * (weights @ np.log(left))
    return found
