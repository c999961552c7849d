"""Differences between two runs with the same random numbers: path by path, with their own interval."""

from typing import NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import estimate, moments


class Paired(NamedTuple):
    """The mean of first - second over paths with its 95 % interval, and what pairing gains.

    correlation: of the two runs over paths. narrower: factor by which pairing shrinks the interval, compared with two runs
    of independent random numbers.
    """

    value: float
    se: float
    ci_low: float
    ci_high: float
    paths: int
    correlation: float
    narrower: float


def difference(first: Array, second: Array, withheld: bool = False) -> tuple[float, float, float, float]:
    """Return the first four fields of `paired`, which are all that a table needs."""
    paths = min(len(first), len(second))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        found = estimate(moments((first[:paths] - second[:paths])[None]))
    value, se, low, high = (float(field[0]) for field in found)
    # What few paths decide, or rare draws that were not made, is not seen in the differences either.
    return (value, np.nan, np.nan, np.nan) if withheld else (value, se, low, high)


def paired(first: Array, second: Array, withheld: bool = False) -> Paired:
    """Compare two runs' numbers, one per path, (paths,) each, on their common paths, which come first in both.

    withheld: whether the mean of either has no interval: then their difference has none. Fields are nan there, and where
    fewer than two paths are common, or numbers are not finite.
    """
    paths = min(len(first), len(second))
    a, b = first[:paths], second[:paths]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        value, se, low, high = difference(a, b, withheld)
        spread = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / paths) if paths > 1 else np.float64(np.nan)
        correlation = np.corrcoef(a, b)[0, 1] if paths > 1 else np.nan
        # spread is the standard error if both runs had been independent.
        narrower = spread / np.float64(se)
    return Paired(value, se, low, high, paths, float(correlation), float(narrower))
