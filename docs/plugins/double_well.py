"""A double well as a plug-in: nonconv explain docs/plugins/double_well.py --test"""

from typing import Annotated, Any, NamedTuple

import numpy as np

from nonconv.plugin import OBJECTIVES, Doc, Interval, Lanes, Objective, OneOf


class DoubleWell(NamedTuple):
    """Two wells, tilted by random data: E of the sum over coordinates of depth ((theta_j^2 - 1)^2 + 4 X_j theta_j) / 4.

    The gradient of one sample is depth (theta_j^3 - theta_j + X_j). Where E X = 0 both -1 and 1 are minimizers, so that no
    point deserves the name; xi: [-1, 1] reports the distance from each.
    """

    data: Annotated[Any, OneOf("data"), Doc("the law of X, the tilt; coordinates are independent")]
    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1
    depth: Annotated[float, Interval(gt=0), Doc("factor of the whole; the barrier between the wells is depth / 4")] = 1.0


class DoubleWellConstants(NamedTuple):
    depth: Lanes


def prepare(h: DoubleWell, dim: int) -> DoubleWellConstants:
    return DoubleWellConstants(np.full(dim, h.depth))


def loss(k: DoubleWellConstants, theta: Lanes, x: Lanes) -> Lanes:
    well = theta * theta - 1.0
    return k.depth * (0.25 * (well * well) + x * theta)


def gradient(k: DoubleWellConstants, theta: Lanes, x: Lanes) -> Lanes:
    return k.depth * (theta * (theta * theta - 1.0) + x)


OBJECTIVES.register(
    Objective(
        name="double_well",
        parameters=DoubleWell,
        paper="the quartic of Ginzburg and Landau (1950), tilted by noise",
        constants=DoubleWellConstants,
        prepare=prepare,
        loss=loss,
        gradient=gradient,
    )
)
