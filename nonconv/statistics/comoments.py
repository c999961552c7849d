"""Means and covariances of several numbers per path, as a triple that merges."""

from typing import NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array


class CoMoments(NamedTuple):
    """Moments of n samples of q numbers, of those samples that are finite in all of them.

    n: how many, a float. mean (q,). m2 (q, q): sums of products of deviations.
    """

    n: Array
    mean: Array
    m2: Array


def comoments(samples: Array) -> CoMoments:
    """Return the comoments of samples (q, paths). A path with a number that is not finite is left out, and not counted in n."""
    whole = samples[:, np.isfinite(samples).all(axis=0)]
    n = whole.shape[1]
    mean = whole.mean(axis=1) if n else np.zeros(len(samples))
    with np.errstate(over="ignore", invalid="ignore"):
        away = whole - mean[:, None]
        # Not by a matrix product: its bits depend on how many threads the linear algebra library has.
        return CoMoments(np.array(float(n)), mean, np.einsum("ip,jp->ij", away, away))


def merge_comoments(a: CoMoments, b: CoMoments) -> CoMoments:
    """Return the comoments of both samples together, by the formula of Chan, Golub & LeVeque (1983)."""
    n = a.n + b.n
    if a.mean.size == 0:
        return a._replace(n=n)
    share = b.n / np.maximum(n, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        delta = b.mean - a.mean
        return CoMoments(n, a.mean + delta * share, a.m2 + b.m2 + np.outer(delta, delta) * (a.n * share))
