"""A test function with two wells as a plug-in: nonconv explain docs/plugins/styblinski_tang.py --test"""

from typing import Annotated, Any, NamedTuple

import numpy as np

from nonconv.plugin import OBJECTIVES, Doc, Interval, Lanes, Objective, OneOf


class StyblinskiTang(NamedTuple):
    """Two wells of unlike depth: the mean sum of depth (theta_j^4 - 16 theta_j^2 + 5 theta_j) / 2 + X_j theta_j.

    Where E X = 0 and depth is 1 its minima are -2.9035, which is the lower one, and 2.7468. They are not stated here, and so
    found numerically: xi: minimizer is the lower one, xi: nearest_minimum the one that a path ends nearest to.
    """

    data: Annotated[Any, OneOf("data"), Doc("the law of X, the tilt; coordinates are independent")]
    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1
    depth: Annotated[float, Interval(gt=0), Doc("factor of the function, noise apart")] = 1.0


class Constants(NamedTuple):
    depth: Lanes


def prepare(h: StyblinskiTang, dim: int) -> Constants:
    return Constants(np.full(dim, h.depth))


def loss(k: Constants, theta: Lanes, x: Lanes) -> Lanes:
    square = theta * theta
    return k.depth * (0.5 * (square * square) - 8.0 * square + 2.5 * theta) + x * theta


def gradient(k: Constants, theta: Lanes, x: Lanes) -> Lanes:
    return k.depth * (theta * (2.0 * (theta * theta) - 16.0) + 2.5) + x


OBJECTIVES.register(
    Objective(
        name="styblinski_tang",
        parameters=StyblinskiTang,
        paper="Styblinski & Tang (1990), Neural Networks 3, 467-483",
        constants=Constants,
        prepare=prepare,
        loss=loss,
        gradient=gradient,
        mean_is_enough=True,  # x enters as x * theta alone
    )
)
