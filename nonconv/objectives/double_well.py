"""Two wells, tilted by random data: the smallest problem with two minima."""

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Law, Objective, OneOf
from nonconv.numerics.arithmetic import Array, Lanes, select

STEEPEST = 2.0 / (3.0 * math.sqrt(3.0))
"""Tilts from here on leave one well: the largest slope between the wells."""
TURN = 0.57735027
"""Just above 1 / sqrt(3), where the curvature changes sign."""
FAR = 1e75
"""Beyond this 1 is nothing beside theta^2, and theta^4 may leave the range of numbers though depth theta^4 does not."""
NEWTON_STEPS = 80
"""Enough from above a convex function's root, where each step halves at least the distance."""


class DoubleWell(NamedTuple):
    """Two wells, tilted by random data: E of the sum over coordinates of depth ((theta_j^2 - 1)^2 + 4 X_j theta_j) / 4.

    The gradient of one sample is depth (theta_j^3 - theta_j + X_j). With m = E X_j the minima are the outer roots of
    theta^3 - theta + m: two for |m| < 2 / (3 sqrt(3)) = 0.385, of which the one opposite to m is lower, and one beyond. Where
    m = 0 both -1 and 1 are minimizers, and xi: nearest_minimum means for each path the one that it ends nearest to.
    """

    data: Annotated[Any, OneOf("data"), Doc("the law of X, the tilt; coordinates are independent")]
    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1
    depth: Annotated[float, Interval(gt=0), Doc("factor of the whole; the barrier between the wells is depth / 4")] = 1.0


class DoubleWellConstants(NamedTuple):
    """The depth of each coordinate, shape (dim,); of one coordinate inside the engine."""

    depth: Lanes


def prepare(h: DoubleWell, dim: int) -> DoubleWellConstants:
    """Return the constants of all coordinates, shape (dim,)."""
    return DoubleWellConstants(np.full(dim, h.depth))


def loss(k: DoubleWellConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return depth ((theta^2 - 1)^2 + 4 x theta) / 4 of one coordinate and one sample."""
    well = theta * theta - 1.0
    slope = k.depth * x
    far = (((0.25 * k.depth * theta) * theta) * theta + slope) * theta
    return select(np.abs(theta) < FAR, (0.25 * k.depth * well) * well + slope * theta, far)


def gradient(k: DoubleWellConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return depth (theta^3 - theta + x), the derivative of `loss` by theta."""
    steep = k.depth * theta
    return select(np.abs(theta) < FAR, steep * (theta * theta - 1.0), (steep * theta) * theta) + k.depth * x


def curvature(k: DoubleWellConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return depth (3 theta^2 - 1), the derivative of `gradient` by theta."""
    return k.depth * (3.0 * theta * theta - 1.0)


def minima(h: DoubleWell, law: Law) -> list[Array]:
    """Return the minima of each coordinate, rising: the roots of theta^3 - theta + E X where it rises."""
    means = law.mean.tolist()
    wells = {mean: _wells(mean) for mean in set(means)}
    return [wells[mean] for mean in means]


def _wells(mean: float) -> Array:
    """Return the minima for one mean tilt, (1,) or (2,); none where it is not finite."""
    if not math.isfinite(mean):
        return np.empty(0)
    # Beyond the outermost root of either sign, where theta^3 - theta + mean is convex towards it.
    beyond = 1.0 + abs(mean) ** (1.0 / 3.0)
    signs = np.array([-1.0, 1.0])[[mean > -STEEPEST, mean < STEEPEST]]
    theta = signs * np.where(signs * mean > 0.0, 1.0, beyond)
    for _ in range(NEWTON_STEPS):
        theta = theta - (theta * (theta * theta - 1.0) + mean) / (3.0 * theta * theta - 1.0)
        # Rounding could step over a well that is almost gone.
        theta = signs * np.maximum(signs * theta, TURN)
    return np.asarray(theta)


DOUBLE_WELL = Objective(
    name="double_well",
    parameters=DoubleWell,
    paper="the quartic of Ginzburg and Landau (1950), tilted by noise",
    constants=DoubleWellConstants,
    prepare=prepare,
    loss=loss,
    gradient=gradient,
    curvature=curvature,
    minima=minima,
    mean_is_enough=True,
)
