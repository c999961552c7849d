"""Evenly spaced values of a swept key, rounded to short decimals.

    >>> one_minus_logspace(-3, -1, 3)
    [0.999, 0.99, 0.9]

Values are part of a cell's identity. They are therefore computed in decimal or rounded, so that every machine gets the
same ones, and they read as a person would write them.
"""

from decimal import Decimal
from fractions import Fraction

import numpy as np

DIGITS = 12
"""Digits of generated numbers: fewer than those on which two machines agree."""


def linspace(first: float, last: float, number: int) -> list[float]:
    """Space evenly as NumPy does, but by fractions: 0.3 is not 0.30000000000000004, and 0 is not 1e-17."""
    step = Fraction(repr(last)) - Fraction(repr(first))
    between = [_round(float(Fraction(repr(first)) + step * k / (number - 1))) for k in range(1, number - 1)]
    return [float(first), *between, float(last)][:number]


def logspace(first: float, last: float, number: int) -> list[float]:
    """Space as NumPy's logspace does: first and last are exponents of ten."""
    return [_round(value) for value in np.logspace(first, last, number)]


def geomspace(first: float, last: float, number: int) -> list[float]:
    """Space as NumPy's geomspace does: first and last are the ends themselves."""
    between = [_round(value) for value in np.geomspace(first, last, number)[1:-1]]
    return [float(first), *between, float(last)][:number]


def one_minus_logspace(first: float, last: float, number: int) -> list[float]:
    """Return 1 - 10**exponent, evenly spaced in the exponent: for values near 1, as the betas of Adam."""
    return [float(1 - Decimal(repr(value))) for value in logspace(first, last, number)]


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


SPACINGS = {"linspace": linspace, "logspace": logspace, "geomspace": geomspace, "one_minus_logspace": one_minus_logspace}
