"""The quadratic of arXiv:2407.08100, Theorem 1.1 (as reconstructed)."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Law, Objective, OneOf
from nonconv.numerics.arithmetic import Array, Lanes


class Quadratic(NamedTuple):
    """Mean squared distance to random data: E of the sum over coordinates of scale_j (theta_j - X_j)^2.

    The gradient of one sample is 2 scale_j (theta_j - X_j); a step averages it over the batch. The minimizer is E X,
    whatever the scale. Scale 1 is the paper's |theta - X|^2, scale 1/2 the half square, 1/dim a loss that averages
    over coordinates; different scales make the problem ill-conditioned, max(scale) / min(scale) being its condition.
    """

    data: Annotated[Any, OneOf("data"), Doc("the law of X; coordinates are independent, or columns of a file")]
    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1
    scale: Annotated[
        Annotated[float, Interval(gt=0)] | tuple[Annotated[float, Interval(gt=0)], ...],
        Doc("curvature of each coordinate: a number, or dim numbers"),
    ] = 1.0


class QuadraticConstants(NamedTuple):
    """The curvature scale_j of each coordinate, shape (dim,); of one coordinate inside the engine."""

    scale: Lanes


def prepare(h: Quadratic, dim: int) -> QuadraticConstants:
    """Return the constants of all coordinates, shape (dim,); a single scale is repeated."""
    return QuadraticConstants(np.broadcast_to(np.asarray(h.scale, dtype=np.float64), (dim,)).copy())


def loss(k: QuadraticConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return scale (theta - x)^2 of one coordinate and one sample."""
    return k.scale * (theta - x) * (theta - x)


def gradient(k: QuadraticConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return 2 scale (theta - x), the derivative of `loss` by theta."""
    return 2.0 * k.scale * (theta - x)


def minimizer(h: Quadratic, law: Law) -> Array:
    """Return E X, shape (dim,), which minimizes E scale (theta - X)^2 whatever the scale."""
    return law.mean


QUADRATIC = Objective(
    name="quadratic",
    parameters=Quadratic,
    paper="arXiv:2407.08100, Theorem 1.1 (as reconstructed)",
    constants=QuadraticConstants,
    prepare=prepare,
    loss=loss,
    gradient=gradient,
    curvature=lambda k, theta, x: 2.0 * k.scale,
    minimizer=minimizer,
    mean_is_enough=True,
)
