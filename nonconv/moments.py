"""Count, mean and spread of a stream of numbers, in pieces that merge: Chan, Golub & LeVeque (1983)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.arithmetic import Array


class Moments(NamedTuple):
    """Moments of samples; all fields have one shape.

    mean, m2 (sum of squared deviations) and largest are of the finite samples; the others are counted, not dropped:
    n in all, n_finite of them finite, n_nan not even infinite.
    """

    n: NDArray[np.int64]
    n_finite: NDArray[np.int64]
    n_nan: NDArray[np.int64]
    mean: Array
    m2: Array
    largest: Array


def moments(samples: Array) -> Moments:
    """The moments over the last axis."""
    n = np.full(samples.shape[:-1], samples.shape[-1], dtype=np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = samples.sum(axis=-1) / n
        if not np.isfinite(mean).all():
            return _careful_moments(samples, n)
        # A finite sum has finite terms only. In place, since fresh temporaries cost more than the arithmetic.
        deviation = samples - mean[..., None]
        m2 = np.square(deviation, out=deviation).sum(axis=-1)
    return Moments(n, n, np.zeros_like(n), mean, m2, samples.max(axis=-1))


def _careful_moments(samples: Array, n: NDArray[np.int64]) -> Moments:
    """The moments of samples that are not all finite, or whose sum is not."""
    finite = np.isfinite(samples)
    n_finite = finite.sum(axis=-1, dtype=np.int64)
    mean = _mean(np.where(finite, samples, 0.0), np.maximum(n_finite, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        m2 = np.square(np.where(finite, samples - mean[..., None], 0.0)).sum(axis=-1)
    largest = np.where(finite, samples, -np.inf).max(axis=-1)
    return Moments(n, n_finite, np.isnan(samples).sum(axis=-1, dtype=np.int64), mean, m2, largest)


def _mean(samples: Array, n: NDArray[np.int64]) -> Array:
    """The mean over the last axis, n samples each; finite even where their sum is not."""
    with np.errstate(over="ignore"):
        mean: Array = samples.sum(axis=-1) / n
        return mean if np.isfinite(mean).all() else (samples / n[..., None]).sum(axis=-1)


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of both together."""
    n_finite = a.n_finite + b.n_finite
    share = b.n_finite / np.maximum(n_finite, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        delta = b.mean - a.mean
        mean = a.mean + delta * share
        m2 = a.m2 + b.m2 + delta * (delta * share * a.n_finite)
    return Moments(a.n + b.n, n_finite, a.n_nan + b.n_nan, mean, m2, np.maximum(a.largest, b.largest))


class Estimate(NamedTuple):
    """A mean with its standard error and two-sided interval. Samples that are not finite make the mean so."""

    value: Array
    se: Array
    low: Array
    high: Array


def estimate(m: Moments, confidence: float = 0.95) -> Estimate:
    """Student's t interval over independent samples; nan where fewer than two, or not all, are finite."""
    from scipy.special import stdtrit  # heavy, and needed once a run

    whole = m.n_finite == m.n
    value = np.where(whole, m.mean, np.where(m.n_nan > 0, np.nan, np.inf))
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.where(whole & (m.n > 1), np.sqrt(m.m2 / (m.n - 1.0) / m.n), np.nan)
        half = se * stdtrit(m.n - 1.0, 0.5 + confidence / 2)
        return Estimate(value, se, value - half, value + half)


def lower_bound(m: Moments, error: float) -> Array:
    """Student's one-sided lower bound, which the mean is below with this probability; nan like `estimate`."""
    from scipy.special import stdtrit

    e = estimate(m)
    with np.errstate(invalid="ignore"):
        return np.asarray(e.value - e.se * stdtrit(m.n - 1.0, 1.0 - error))


def effective_number(m: Moments) -> Array:
    """(sum x)^2 / sum x^2 of non-negative samples: how many of them carry their mean (Kish).

    Where the squares leave the range of doubles it is sum x / max x, which is never above it.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        second = m.m2 + m.n_finite * m.mean**2
        kish = m.n_finite * (m.n_finite * m.mean**2 / second)
        bound = m.n_finite * (m.mean / m.largest)
    in_range = np.isfinite(second) & (second >= np.finfo(np.float64).tiny)
    return np.where(m.mean > 0, np.where(in_range, kish, bound), m.n_finite.astype(np.float64))
