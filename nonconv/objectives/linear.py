"""The linear loss, whose gradient is the datum itself: online counterexamples are written with it."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Law, Objective, OneOf
from nonconv.numerics.arithmetic import Array, Lanes


class Linear(NamedTuple):
    """A linear loss with random slope: E of the sum over coordinates of X_j theta_j.

    The gradient of one sample is X_j, wherever theta is. There is no minimizer without a domain; on one it is the lower end
    where E X > 0, the upper end where E X < 0, and every point where E X = 0.
    """

    data: Annotated[Any, OneOf("data"), Doc("the law of X, the slope; coordinates are independent, or columns of a file")]
    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1


class LinearConstants(NamedTuple):
    """The curvature 0 of each coordinate, shape (dim,); of one coordinate inside the engine."""

    zero: Lanes


def prepare(h: Linear, dim: int) -> LinearConstants:
    """Return the constants of all coordinates, shape (dim,)."""
    return LinearConstants(np.zeros(dim))


def loss(k: LinearConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return x theta of one coordinate and one sample."""
    return x * theta


def gradient(k: LinearConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return x, the derivative of `loss` by theta."""
    return x


def minima(h: Linear, law: Law) -> list[Array]:
    """Return no minimum for any coordinate: there is none without a domain."""
    return [np.empty(0)] * len(law.mean)


LINEAR = Objective(
    name="linear",
    parameters=Linear,
    paper="Reddi, Kale & Kumar (2018), arXiv:1904.09237",
    constants=LinearConstants,
    prepare=prepare,
    loss=loss,
    gradient=gradient,
    curvature=lambda k, theta, x: k.zero,
    minima=minima,
    mean_is_enough=True,
)
