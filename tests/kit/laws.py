"""Laws with heavy tails as scipy.stats has them."""

from typing import Any

import numpy as np
from scipy import stats

from nonconv.data.heavy_tailed import Cauchy, Laplace, Pareto, StudentT


class SymmetricPareto:
    """Pareto's law on both sides of loc."""

    def __init__(self, h: Pareto) -> None:
        self.h = h

    def cdf(self, x: Any) -> Any:
        beyond = 0.5 * (np.abs(x - self.h.loc) / self.h.scale) ** -self.h.exponent
        return np.where(x < self.h.loc, beyond, 1.0 - beyond)


def heavy_in_scipy(h: Any) -> Any:
    """The same law in scipy.stats, or something with its distribution function."""
    if isinstance(h, StudentT):
        return stats.t(h.df, loc=h.loc, scale=h.scale)
    if isinstance(h, Cauchy):
        return stats.cauchy(loc=h.loc, scale=h.scale)
    if isinstance(h, Laplace):
        return stats.laplace(loc=h.loc, scale=h.scale)
    assert isinstance(h, Pareto)
    return SymmetricPareto(h) if h.symmetric else stats.pareto(h.exponent, loc=h.loc, scale=h.scale)
