"""Quantiles of the normal law and of Student's t, without scipy.special, whose import takes a fifth of a small run's time."""

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

EXPANDED = 2000
"""From so many degrees of freedom on the expansion alone is used.

Its next term is then below the rounding error of a quantile at 1e-4.
"""


def normal(probability: float) -> float:
    """Return the quantile of the standard normal law, for 0 < probability < 1."""
    return NormalDist().inv_cdf(probability)


@lru_cache
def student(freedom: int, probability: float) -> float:
    """Return the quantile of Student's t with `freedom` degrees of freedom; nan for fewer than 1.

    Newton's method on the exact probability, started at the Cornish-Fisher expansion, which alone suffices from EXPANDED on.
    Source: Abramowitz & Stegun (1964), 26.7.3 to 26.7.5.
    """
    if freedom < 1:
        return math.nan
    z = normal(max(probability, 1.0 - probability))
    t = _expansion(freedom, z)
    if freedom < EXPANDED:
        t = _refine(freedom, 2.0 * max(probability, 1.0 - probability) - 1.0, t)
    return t if probability > 0.5 else -t


def _expansion(freedom: int, z: float) -> float:
    """Return t to four terms of its expansion in 1 / freedom around the normal quantile z (A&S 26.7.5)."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**k for k, term in enumerate(terms, 1))


def _refine(freedom: int, within: float, t: float) -> float:
    """Return the t with P(|T| < t) = within, by Newton's method from a start t."""
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    for _ in range(60):
        density = math.exp(scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (_within(freedom, t) - within) / (2.0 * density)
        # No step goes below half of t, so t stays positive however far off the start is.
        t = max(t - step, t / 2)
        if abs(step) <= 1e-15 * t:
            break
    return t


def _within(freedom: int, t: float) -> float:
    """Return P(|T| < t), a finite sum for whole degrees of freedom (A&S 26.7.3 and 26.7.4)."""
    angle = math.atan2(t, math.sqrt(freedom))
    square = math.cos(angle) ** 2
    k = np.arange(1, freedom // 2) if freedom % 2 == 0 else np.arange(1, (freedom - 1) // 2)
    ratios = (2 * k - 1) / (2 * k) if freedom % 2 == 0 else 2 * k / (2 * k + 1)
    total = 1.0 + float(np.cumprod(square * ratios).sum())
    if freedom % 2 == 0:
        return math.sin(angle) * total
    return 2.0 / math.pi * (angle + (math.sin(angle) * math.cos(angle) * total if freedom > 1 else 0.0))
