"""Shared by examples that are drawn from a law: uniform features and label noise."""

import math
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, LabelNoise
from nonconv.data.continuous import HALF_GRID
from nonconv.data.values import LARGEST, Value
from nonconv.numerics.arithmetic import Array, each
from nonconv.numerics.normal import normal_quantile

WIDEST = 1024
"""Most units of a layer, and most features of an example."""
ROOT_3 = math.sqrt(3.0)

Units = Annotated[int, Interval(ge=1, le=WIDEST)]
Inputs = Annotated[Units, Doc("features of an example")]
Low = Annotated[Value, Doc("the lower end of every feature")]
High = Annotated[Value, Doc("the upper end of every feature")]
Noise = Annotated[float, Interval(ge=0, le=LARGEST)]
NoiseLaw = Annotated[
    Literal["uniform", "normal"], Doc("the law of the e: uniform on [-sqrt 3, sqrt 3], or normal, which is unbounded")
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
    return "unbounded" if law == "normal" else "bounded"


def draw_features(low: float, width: float, n: int, u: Array, x: Array) -> None:
    """Write features x (features, n), uniform on [low, low + width), from the first rows of u (draws, n)."""
    for j in range(x.shape[0]):
        for i in each(n):
            x[j, i] = low + width * u[j, i]


def add_noise(noise: float, normal: int, n: int, u: Array, y: Array) -> None:
    """Add `noise` times numbers of mean 0 and variance 1, one per uniform of u (n,), to y (n,).

    normal: 1 for normal numbers, 0 for uniform ones on [-sqrt 3, sqrt 3].
    """
    if normal == 1:
        for i in each(n):
            y[i] += noise * normal_quantile(u[i] + HALF_GRID)
    else:
        for i in each(n):
            # The middle of the uniform's grid cell, so that the mean is exactly 0.
            y[i] += noise * (ROOT_3 * (2.0 * (u[i] + HALF_GRID) - 1.0))
