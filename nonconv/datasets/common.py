"""Shared by examples that are drawn from a law: uniform features and label noise."""

import math
from typing import Annotated, Literal, get_args

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, LabelNoise
from nonconv.data.continuous import HALF_GRID
from nonconv.data.values import LARGEST, Value, fourth_power
from nonconv.numerics.arithmetic import Array, Lanes, each, select
from nonconv.numerics.elementary import log
from nonconv.numerics.normal import normal_quantile

WIDEST = 1024
"""Most units of a layer, and most features of an example."""
ROOT_3, ROOT_HALF = math.sqrt(3.0), math.sqrt(0.5)

Units = Annotated[int, Interval(ge=1, le=WIDEST)]
Inputs = Annotated[Units, Doc("features of an example")]
Low = Annotated[Value, Doc("the lower end of every feature")]
High = Annotated[Value, Doc("the upper end of every feature")]
Noise = Annotated[float, Interval(ge=0, le=LARGEST)]
Standard = Literal["uniform", "normal", "two_point", "laplace"]
"""Laws of mean 0 and variance 1, symmetric: uniform on [-sqrt 3, sqrt 3]; normal; -1 or 1; Laplace."""
STANDARD: tuple[str, ...] = get_args(Standard)
"""Their names; kernels take the index of one."""
NORMAL, TWO_POINT, LAPLACE = 1, 2, 3
FOURTH: dict[str, float] = {"uniform": 1.8, "normal": 3.0, "two_point": 1.0, "laplace": 6.0}
"""Their fourth moments."""
REACH: dict[str, float] = {"uniform": 3.0**0.5, "two_point": 1.0}
"""The largest numbers of those that are bounded."""
BOUNDED = tuple(REACH)
"""Their names."""
NoiseLaw = Annotated[
    Standard, Doc("the law of the e: uniform on [-sqrt 3, sqrt 3], -1 or 1, or normal or Laplace, which are unbounded")
]
HeldOut = Annotated[
    int, Interval(ge=0, le=1_000_000), Doc("examples that measure the risk, drawn once and never trained on; 0: none")
]


def complain_unless_ordered(low: float, high: float) -> list[Complaint]:
    """Refuse high <= low, at the parameter high."""
    return [] if high > low else [Complaint("high", f"{high:g} must be above low, which is {low:g}", f"a number > {low:g}")]


def classify_noise(noise: float, law: str) -> LabelNoise:
    """Return `label_noise` for noise of this law, `noise` being its standard deviation: none, bounded or unbounded."""
    if noise == 0:
        return "none"
    return "unbounded" if law in STANDARD and law not in BOUNDED else "bounded"


def draw_features(low: float, width: float, n: int, u: Array, x: Array) -> None:
    """Write features x (features, n), uniform on [low, low + width), from the first rows of u (draws, n)."""
    for j in range(x.shape[0]):
        for i in each(n):
            x[j, i] = low + width * u[j, i]


def uniform_moments(low: float, high: float, inputs: int) -> tuple[Array, Array, Array]:
    """Return mean, variance and fourth central moment, (inputs,) each, of numbers that are uniform on [low, high]."""
    width = high - low
    return np.full(inputs, (low + high) / 2.0), np.full(inputs, width**2 / 12.0), np.full(inputs, fourth_power(width) / 80.0)


def add_noise(noise: float, law: int, n: int, u: Array, y: Array) -> None:
    """Add `noise` times numbers of mean 0 and variance 1, one per uniform of u (n,), to y (n,).

    law: the index of their law into STANDARD.
    """
    if law == NORMAL:
        for i in each(n):
            y[i] += noise * normal_quantile(u[i] + HALF_GRID)
    elif law == TWO_POINT:
        for i in each(n):
            y[i] += noise * select(u[i] < 0.5, -1.0, 1.0)
    elif law == LAPLACE:
        for i in each(n):
            y[i] += noise * laplace_quantile(u[i] + HALF_GRID)
    else:
        for i in each(n):
            # The middle of the uniform's grid cell, so that the mean is exactly 0.
            y[i] += noise * (ROOT_3 * (2.0 * (u[i] + HALF_GRID) - 1.0))


def laplace_quantile(u: Lanes) -> Lanes:
    """Return the quantile of the Laplace law of mean 0 and variance 1, for 0 < u < 1."""
    low = u < 0.5
    size = ROOT_HALF * log(2.0 * select(low, u, 1.0 - u))
    return select(low, size, -size)
