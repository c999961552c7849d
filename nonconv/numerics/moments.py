"""Count, mean and spread of a stream of numbers, in pieces that merge.

Sources: Chan, Golub & LeVeque (1983) for two moments, Pébay (2008, SAND2008-6212) for the third.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array
from nonconv.numerics.student import student

SMALL_SAMPLE = 400
"""Below so many samples, those of very skewed numbers often look less skewed than they are."""
LEAST_SKEWNESS = 3.0
"""Skewness in coefficients of variation that is then taken at least; squares of normal numbers have 2."""
LEAST_CUBE = 1e-290
"""Third powers of deviations below this have lost digits, and squares below LEAST_SQUARE."""
LEAST_SQUARE = 1e-300
LEAST_SPREAD = 1e-150
"""Standard deviations below this may have lost digits with the squares of deviations."""
SYMMETRIC = 1e-6
"""Below this a skewness changes an interval less than rounding would change its correction."""


def center_and_spread(table: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of the columns of a table (rows, C); 0 spread where all are equal, and only there.

    Divided by the number of rows, not by one less.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        center, spread = table.mean(axis=0), table.std(axis=0)
        constant = (table == table[:1]).all(axis=0)
        # Squares of deviations leave the range of doubles: in units of the largest number they do not.
        extreme = ~constant & ~((spread > LEAST_SPREAD) & np.isfinite(spread))
        if extreme.any():
            unit = np.abs(table[:, extreme]).max(axis=0)
            scaled = table[:, extreme] / unit
            center[extreme], spread[extreme] = scaled.mean(axis=0) * unit, scaled.std(axis=0) * unit
    # The mean of equal numbers may be rounded.
    return np.where(constant, table[0], center), np.where(constant, 0.0, spread)


class Moments(NamedTuple):
    """Moments of samples; all fields have one shape.

    mean, m2 and m3 (sums of squared and cubed deviations) and largest are of the finite samples; the others are counted,
    not dropped: n in all, n_finite of them finite, n_nan not even infinite.
    """

    n: NDArray[np.int64]
    n_finite: NDArray[np.int64]
    n_nan: NDArray[np.int64]
    mean: Array
    m2: Array
    m3: Array
    largest: Array


def moments(samples: Array) -> Moments:
    """Return the moments of samples (..., n) over the last axis, each field of shape (...)."""
    if 0 in samples.shape[:-1]:
        return _empty_moments(samples.shape[:-1])
    n = np.full(samples.shape[:-1], samples.shape[-1], dtype=np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = samples.sum(axis=-1) / n
        # The sum finds out in one pass whether all is finite; the careful way, which looks at each number, is seldom needed.
        if not np.isfinite(mean).all():
            return _careful_moments(samples, n)
        # A finite sum has finite terms only. Powers are not kept: fresh temporaries cost more than the arithmetic.
        deviation = samples - mean[..., None]
        m2 = np.einsum("...i,...i->...", deviation, deviation)
        m3 = np.einsum("...i,...i,...i->...", deviation, deviation, deviation)
    return Moments(n, n, np.zeros_like(n), mean, m2, m3, samples.max(axis=-1))


@lru_cache
def _empty_moments(shape: tuple[int, ...]) -> Moments:
    """Return the moments of no numbers, fields of this shape with no elements: of what a run does not measure."""
    counts, numbers = np.empty(shape, dtype=np.int64), np.empty(shape)
    return Moments(counts, counts, counts, numbers, numbers, numbers, numbers)


def _careful_moments(samples: Array, n: NDArray[np.int64]) -> Moments:
    """Return the moments of samples that are not all finite, or whose sum is not."""
    finite = np.isfinite(samples)
    n_finite = finite.sum(axis=-1, dtype=np.int64)
    mean = _mean(np.where(finite, samples, 0.0), np.maximum(n_finite, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.where(finite, samples - mean[..., None], 0.0)
        m2, m3 = np.square(deviation).sum(axis=-1), (np.square(deviation) * deviation).sum(axis=-1)
    largest = np.where(finite, samples, -np.inf).max(axis=-1)
    return Moments(n, n_finite, np.isnan(samples).sum(axis=-1, dtype=np.int64), mean, m2, m3, largest)


def _mean(samples: Array, n: NDArray[np.int64]) -> Array:
    """Return the mean over the last axis, of n samples each; finite even where their sum overflows."""
    with np.errstate(over="ignore"):
        mean: Array = samples.sum(axis=-1) / n
        # Divided before they are added, which is slower and seldom needed.
        return mean if np.isfinite(mean).all() else (samples / n[..., None]).sum(axis=-1)


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of both samples together; a and b have fields of one shape."""
    if a.n.size == 0:
        return a
    n_finite = a.n_finite + b.n_finite
    # 0 / 1 instead of 0 / 0 where neither has a finite sample.
    share = b.n_finite / np.maximum(n_finite, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        delta = b.mean - a.mean
        mean = a.mean + delta * share
        m2 = a.m2 + b.m2 + delta * (delta * share * a.n_finite)
        of_means = delta * (delta * share * a.n_finite) * (delta * ((a.n_finite - b.n_finite) / np.maximum(n_finite, 1)))
        m3 = a.m3 + b.m3 + of_means + 3.0 * delta * ((1.0 - share) * b.m2 - share * a.m2)
    return Moments(a.n + b.n, n_finite, a.n_nan + b.n_nan, mean, m2, m3, np.maximum(a.largest, b.largest))


class Estimate(NamedTuple):
    """A mean with its standard error and two-sided interval. Samples that are not finite make the mean so."""

    value: Array
    se: Array
    low: Array
    high: Array


def estimate(m: Moments, confidence: float = 0.95, skewed: NDArray[np.bool_] | bool = False) -> Estimate:
    """Return mean, standard error and interval over independent samples; nan where fewer than two, or not all, are finite.

    Student's t with Hall's cubic correction for skewness (1992, J. R. Statist. Soc. B 54, 221-228): both tails keep their
    share where squares of errors, which are skewed, make the plain interval miss on one side.

    skewed: which numbers are known to be more skewed than squares of normal ones. In a small sample their upper ends are
    then at least as far off as with LEAST_SKEWNESS, so that they miss too seldom rather than too often.
    """
    tail = 0.5 - confidence / 2
    value, se = _mean_and_error(m)
    if not value.size:
        return Estimate(value, se, value, value)
    skewness = _skewness(m)
    above = _bend(m, tail, skewness)
    if np.any(skewed) and int(m.n.flat[0]) < SMALL_SAMPLE:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            least = LEAST_SKEWNESS * np.sqrt(m.m2) / m.n / np.abs(m.mean)  # of the mean: divided by a root of n twice
            above = np.where(skewed, np.fmin(above, _bend(m, tail, np.maximum(least, skewness))), above)
    return Estimate(value, se, value - se * _bend(m, 1.0 - tail, skewness), value - se * above)


def lower_bound(m: Moments, error: float) -> Array:
    """Return a one-sided bound that exceeds the mean with probability `error`; nan where `estimate` has no interval."""
    value, se = _mean_and_error(m)
    if not value.size:
        return value
    return np.asarray(value - se * _bend(m, 1.0 - error, _skewness(m)))


def _mean_and_error(m: Moments) -> tuple[Array, Array]:
    """Return mean and standard error; the mean is infinite or nan where a sample is, and has no error then."""
    whole = m.n_finite == m.n
    value = np.where(whole, m.mean, np.where(m.n_nan > 0, np.nan, np.inf))
    with np.errstate(invalid="ignore", divide="ignore"):
        return value, np.where(whole & (m.n > 1), np.sqrt(m.m2 / (m.n - 1.0) / m.n), np.nan)


def _skewness(m: Moments) -> Array:
    """Return the skewness of the mean; nan where third powers of deviations leave the range of doubles."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        cube = np.sqrt(m.m2 / m.n) ** 3
        return np.asarray(np.where((cube >= LEAST_CUBE) | (m.m2 == 0.0), m.m3 / m.n / cube / np.sqrt(m.n), np.nan))


def _bend(m: Moments, probability: float, skewness: Array) -> Array:
    """Return the quantile of (sample mean - mean) / standard error at this probability, for a mean of this skewness.

    It is plain Student's t where the skewness is 0 or unknown.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        t = student(int(m.n.flat[0]) - 1, probability)  # every number is of all paths
        # The inverse of Hall's transformation, a cubic with an exact root.
        bent = 3.0 / skewness * (np.cbrt(1.0 + skewness * (t - skewness / 6.0)) - 1.0)
    return np.asarray(np.where(np.isfinite(bent) & (np.abs(skewness) > SYMMETRIC), bent, t))


def left_the_range(m: Moments) -> NDArray[np.bool_]:
    """Return where squares of samples leave the range of doubles, so that no standard error can be trusted.

    Those of samples of one size below 1e-140 underflow; where the mean is larger, deviations that small do not matter.
    """
    small = (np.abs(m.mean) < 1e-140) & (m.largest != 0.0) & (m.m2 < LEAST_SQUARE)
    return np.asarray(small | ~np.isfinite(m.m2))


def effective_number(m: Moments) -> Array:
    """Return Kish's effective number of non-negative samples, (sum x)^2 / sum x^2: how many of them carry their mean.

    Where the squares leave the range of doubles it is sum x / max x, which is never above it.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        second = m.m2 + m.n_finite * m.mean**2
        kish = m.n_finite * (m.n_finite * m.mean**2 / second)
        bound = m.n_finite * (m.mean / m.largest)
    in_range = np.isfinite(second) & (second >= np.finfo(np.float64).tiny)
    return np.where(m.mean > 0, np.where(in_range, kish, bound), m.n_finite.astype(np.float64))
