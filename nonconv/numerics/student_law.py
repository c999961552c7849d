"""The quantile function of Student's law for one number of degrees of freedom df: polynomials that are made once per df.

With t = sqrt(df) sinh(y) the density of y is c cosh(y)^-df. So y is smooth, has tails like powers no more, and hardly depends
on df but for a factor. It is tabulated in four pieces: around the median y / q as a function of q^2, q = P - 1/2; further out y
as a function of the depth sqrt(-log(2 tail)), tail = min(P, 1 - P).

The relative error of t is at most 2e-14 (1 + y), y being below 1.5 for df >= 30 and below 75 for df = 1/2: measured against
mpmath for tails down to 2^-53, below which there is no uniform.
"""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np

from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.numerics.elementary import LN2_HIGH, LN2_LOW, LOG2_E, ONE_BITS, ROUND, bits, excess, from_bits, log

DEGREE = 17
"""Degree of each polynomial, in a variable that runs from -1 to 1 on its piece."""
CENTRAL = 0.35
"""|q| up to which the piece around the median reaches."""
CUTS = (math.sqrt(-math.log(1.0 - 2.0 * CENTRAL)), 2.0, 3.5, 6.1)
"""Ends of the other pieces, as depths; at 2^-53 the depth is 6.004."""
SPENT = 90.0
"""-log of the density of y, relative to that at 0, where what is left of it no longer counts."""


def log_cosh(y: Array) -> Array:
    """Return log cosh(y) for y >= 0, exact to rounding where it is small too."""
    near, far = np.minimum(y, 20.0), np.maximum(y, 20.0)
    return np.where(y < 20.0, 0.5 * np.log1p(np.sinh(near) ** 2), far - math.log(2.0) + np.log1p(np.exp(-2.0 * far)))


class _Masses:
    """The integral of cosh^-df from 0 to y and from y on, by 20 Gauss nodes on short panels."""

    def __init__(self, df: float) -> None:
        self.df = df
        reach = 1.0 / math.sqrt(df)
        while df * float(log_cosh(np.array(reach))) < SPENT:
            reach *= 1.25
        panels = math.ceil(reach / min(0.5, 0.5 / math.sqrt(df)))
        self.width, self.panels = reach / panels, panels
        self.edges = self.width * np.arange(panels + 1.0)
        self.node, self.weight = np.polynomial.legendre.leggauss(20)
        own = self.between(self.edges[:-1], self.edges[1:])
        # Added from the far end, and from 0, so that small sums keep their digits.
        self.beyond = np.append(np.cumsum(own[::-1])[::-1], 0.0)
        self.below = np.append(0.0, np.cumsum(own))

    def density(self, y: Array) -> Array:
        """Return cosh(y)^-df."""
        return np.exp(-self.df * log_cosh(y))

    def between(self, low: Array, high: Array) -> Array:
        """Return the integral from low to high, (n,) each, which lie in one panel."""
        half = (high - low) / 2.0
        y = (low + half)[:, None] + half[:, None] * self.node
        return np.asarray(half * (self.density(y) @ self.weight))

    def solve(self, q: Array, tail: Array) -> Array:
        """Return y >= 0 with the probability q between 0 and y and `tail` beyond it, (n,); one of them has all digits."""
        share = 2.0 * self.below / self.below[-1]
        y = np.interp(q, share / 4.0, self.edges)
        deep, total = tail < 0.25, 2.0 * self.beyond[0]
        y[deep] = np.interp(-np.log(tail[deep]), -np.log(self.beyond[:-1] / total), self.edges[:-1])
        for _ in range(12):
            k = np.minimum((y / self.width).astype(int), self.panels - 1)
            after, before = (
                self.between(y, self.edges[k + 1]) + self.beyond[k + 1],
                self.between(self.edges[k], y) + self.below[k],
            )
            # Newton; in the tail on the logarithm, which is nearly a line there.
            step = np.where(deep, np.log(after / (tail * total)) * after, q * total - before) / self.density(y)
            y = np.clip(y + step, 0.0, self.edges[-2])
        return y


@lru_cache(maxsize=64)
def student_table(df: float) -> tuple[float, ...]:
    """Return the coefficients of the four polynomials, highest power first, piece after piece within each power."""
    masses = _Masses(df)
    x = np.cos(np.pi * (np.arange(DEGREE + 1.0) + 0.5) / (DEGREE + 1.0))
    q = np.sqrt((x + 1.0) / 2.0) * CENTRAL
    values = [masses.solve(q, 0.5 - q) / q]
    for low, high in pairwise(CUTS):
        tail = np.exp(-((low + high + (high - low) * x) ** 2 / 4.0)) / 2.0
        values.append(masses.solve(0.5 - tail, tail))
    powers = [np.polynomial.chebyshev.cheb2poly(np.polynomial.chebyshev.chebfit(x, value, DEGREE)) for value in values]
    return tuple(np.array(powers).T[::-1].ravel().tolist())


def sinh(y: Lanes) -> Lanes:
    """Return sinh(y) for 0 <= y < 700, with an error of a few ulp: (e + e / (e + 1)) / 2 for e = exp(y) - 1."""
    rounded = y * LOG2_E + ROUND
    k = rounded - ROUND
    power = from_bits((bits(rounded) << 52) + ONE_BITS)
    e = power * excess(y - k * LN2_HIGH, k * LN2_LOW) + (power - 1.0)
    return 0.5 * (e + e / (e + 1.0))


def coefficient(table: Lanes, i: int, central: Lanes, near: Lanes, middle: Lanes) -> Lanes:
    """Return the coefficient of row i for the piece that the conditions say, the first that holds or the last one."""
    own = select(near, table[4 * i + 1], select(middle, table[4 * i + 2], table[4 * i + 3]))
    return select(central, table[4 * i], own)


def student_quantile(table: Lanes, root: Lanes, p: Lanes) -> Lanes:
    """Return t with P(T <= t) = p, for p on the grid of uniforms moved by half its spacing, so that it is not 0 or 1.

    table: of `student_table`. root: sqrt(df).
    """
    q = np.abs(p - 0.5)
    depth = np.sqrt(-log(2.0 * np.minimum(p, 1.0 - p)))
    central, near, middle = q <= CENTRAL, depth < CUTS[1], depth < CUTS[2]
    x = select(
        central,
        q * q * (2.0 / CENTRAL**2) - 1.0,
        select(
            near,
            depth * (2.0 / (CUTS[1] - CUTS[0])) - (CUTS[1] + CUTS[0]) / (CUTS[1] - CUTS[0]),
            select(
                middle,
                depth * (2.0 / (CUTS[2] - CUTS[1])) - (CUTS[2] + CUTS[1]) / (CUTS[2] - CUTS[1]),
                depth * (2.0 / (CUTS[3] - CUTS[2])) - (CUTS[3] + CUTS[2]) / (CUTS[3] - CUTS[2]),
            ),
        ),
    )
    # Written out: LLVM does not vectorise a loop within the loop over lanes.
    y = coefficient(table, 0, central, near, middle)
    y = y * x + coefficient(table, 1, central, near, middle)
    y = y * x + coefficient(table, 2, central, near, middle)
    y = y * x + coefficient(table, 3, central, near, middle)
    y = y * x + coefficient(table, 4, central, near, middle)
    y = y * x + coefficient(table, 5, central, near, middle)
    y = y * x + coefficient(table, 6, central, near, middle)
    y = y * x + coefficient(table, 7, central, near, middle)
    y = y * x + coefficient(table, 8, central, near, middle)
    y = y * x + coefficient(table, 9, central, near, middle)
    y = y * x + coefficient(table, 10, central, near, middle)
    y = y * x + coefficient(table, 11, central, near, middle)
    y = y * x + coefficient(table, 12, central, near, middle)
    y = y * x + coefficient(table, 13, central, near, middle)
    y = y * x + coefficient(table, 14, central, near, middle)
    y = y * x + coefficient(table, 15, central, near, middle)
    y = y * x + coefficient(table, 16, central, near, middle)
    y = y * x + coefficient(table, 17, central, near, middle)
    y = select(central, q * y, y)
    return np.copysign(root * sinh(y), p - 0.5)
