"""Evenly spaced values of a swept key, rounded to short decimals."""

from decimal import Decimal
from fractions import Fraction

import numpy as np

DIGITS = 12
"""Digits of generated numbers: fewer than those on which two machines agree."""


def linspace(first: float, last: float, number: int) -> list[float]:
    """Space evenly as NumPy does, by fractions: 0.3 is not 0.30000000000000004, and 0 is not 1e-17."""
    step = Fraction(repr(last)) - Fraction(repr(first))
    between = [_rounded(float(Fraction(repr(first)) + step * k / (number - 1))) for k in range(1, number - 1)]
    return [float(first), *between, float(last)][:number]


def logspace(first: float, last: float, number: int) -> list[float]:
    """Space as NumPy's logspace: first and last are exponents of ten."""
    return [_rounded(value) for value in np.logspace(first, last, number)]


def geomspace(first: float, last: float, number: int) -> list[float]:
    """Space as NumPy's geomspace: first and last are the ends themselves."""
    between = [_rounded(value) for value in np.geomspace(first, last, number)[1:-1]]
    return [float(first), *between, float(last)][:number]


def one_minus_logspace(first: float, last: float, number: int) -> list[float]:
    """1 - 10**exponent, in decimal, so that 1 - 10**-3 is 0.999."""
    return [float(1 - Decimal(repr(value))) for value in logspace(first, last, number)]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


SPACINGS = {"linspace": linspace, "logspace": logspace, "geomspace": geomspace, "one_minus_logspace": one_minus_logspace}
