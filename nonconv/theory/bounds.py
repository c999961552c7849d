"""An interval that Adam's iterates on the quadratic with bounded data never leave, whatever the batches: a pathwise bound.

Step: with w1, w2 the weights of g_1, ..., g_n in m_hat and v_hat, by Cauchy and Schwarz
    |m_hat| <= C_n sqrt(v_hat),  C_n^2 = sum of w1^2 / w2,  attained where g_i is proportional to w1 / w2, (beta1/beta2)^(n-i).
Every eps in every place, and AMSGrad's maximum, only make the denominator larger: |direction| <= C_n for them too.
Interval: let data lie in [a, b], c be the curvature and no step be longer than S. For every j < n
    g_{n-j} >= c (theta_{n-j-1} - b) >= c (theta_{n-1} - b - j S),  and the mean of j under w1 is at most beta1 / (1 - beta1),
so m_hat >= 0 where theta_{n-1} >= b + S beta1 / (1 - beta1): from there theta does not rise, from below it rises by S at most.
Hence theta_n <= max(theta_0, b + S / (1 - beta1)); below likewise. In exact arithmetic, and while no 0/0 occurs (eps = 0).
"""

import math
from typing import NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.adam import Adam, Amsgrad


class Stay(NamedTuple):
    """The interval [low, high] of all iterates, shapes as those of the start points."""

    low: Array
    high: Array


def step_bound(beta1: float, beta2: float, n: Array) -> Array:
    """Return C_n at steps n (steps,), with bias correction: no direction is longer.

    Raises ValueError unless beta1 < sqrt(beta2).
    """
    # Correcting m and sqrt(v) scales the bound for the uncorrected averages.
    corrections = np.sqrt(1.0 - _power(beta2, n)) / (1.0 - _power(beta1, n))
    return np.asarray(corrections * _uncorrected(beta1, beta2, n))


def stay(start: Array, low: Array, high: Array, most: float) -> Stay:
    """Return the interval that paths from `start` never leave, with data in [low, high].

    most: how far beyond the data steps lead. start, low and high broadcast: (dim,), or (dim, paths) with bounds (dim, 1).
    Rounding can add a few ulp.
    """
    return Stay(np.minimum(start, low - most), np.maximum(start, high + most))


def reach(h: Adam | Amsgrad, rates: Array, n: Array) -> float:
    """Return S / (1 - beta1): how far beyond the data steps n (steps,) at these learning rates (steps,) lead.

    Of a run in pieces, take the largest. Raises ValueError unless beta1 < sqrt(beta2).
    """
    return float(np.max(rates * direction_bound(h, n))) / (1.0 - float(h.beta1))


def direction_bound(h: Adam | Amsgrad, n: Array) -> Array:
    """Return C_n at steps n (steps,) for the variant h: with or without bias correction, started at 0 or at the first gradient.

    Raises ValueError unless beta1 < sqrt(beta2).
    """
    if h.bias_correction:
        return step_bound(h.beta1, h.beta2, n)
    if h.start == "zero":
        return _uncorrected(h.beta1, h.beta2, n)
    # The first gradient weighs beta^(n-1) in m and v, so C_n^2 is (beta1^2/beta2)^(n-1) more than that of the n - 1 others.
    first = _power(_ratio(h.beta1, h.beta2), n - 1.0)
    return np.asarray(np.sqrt(_uncorrected(h.beta1, h.beta2, n - 1.0) ** 2 + first))


def _uncorrected(beta1: float, beta2: float, n: Array) -> Array:
    """Return (1 - beta1) / sqrt(1 - beta2) sqrt((1 - r^n) / (1 - r)) at steps n (steps,), with r = beta1^2 / beta2."""
    r = _ratio(beta1, beta2)
    return np.asarray((1.0 - beta1) / np.sqrt(1.0 - beta2) * np.sqrt((1.0 - _power(r, n)) / (1.0 - r)))


def _power(base: float, n: Array) -> Array:
    """Return base^n for 0 <= base < 1 and n (steps,).

    exp(n log base) is ten times as fast as np.power; its error is at most 1e-12 of 1.
    """
    return np.exp(n * math.log(base)) if base > 0 else np.where(n == 0.0, 1.0, 0.0)


def _ratio(beta1: float, beta2: float) -> float:
    """Return r = beta1^2 / beta2. Raises ValueError unless beta1 < sqrt(beta2): else C_n grows without bound."""
    if beta1 > 0 and beta1**2 >= beta2:
        raise ValueError(f"beta1 = {beta1:g} is not below sqrt(beta2) = {np.sqrt(beta2):.4g}")
    return beta1**2 / beta2 if beta1 > 0 else 0.0
