"""Examples of |x| as a plug-in: nonconv explain docs/plugins/absolute.py --test"""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import DATASETS, Array, Dataset, Doc, Interval, Shape, each


class Absolute(NamedTuple):
    """The size of a number, with label noise: y = |x| + noise e.

    x is uniform on [-width, width] and e on [-1, 1]. Two hidden units of relu are the function itself.
    """

    width: Annotated[float, Interval(gt=0, le=1e6), Doc("features lie within [-width, width]")] = 1.0
    noise: Annotated[float, Interval(ge=0, le=1e6), Doc("the most that a label is off")] = 0.1
    held_out: Annotated[int, Interval(ge=0, le=10**6), Doc("examples that measure the risk; 0: none")] = 256


class AbsoluteConstants(NamedTuple):
    width: float
    noise: float


def prepare(h: Absolute) -> AbsoluteConstants:
    return AbsoluteConstants(float(h.width), float(h.noise))


def sample(k: AbsoluteConstants, n: int, u: Array, x: Array, y: Array) -> None:
    for i in each(n):
        x[0, i] = k.width * (2.0 * u[0, i] - 1.0)
        y[0, i] = np.abs(x[0, i]) + k.noise * (2.0 * u[1, i] - 1.0)


DATASETS.register(
    Dataset(
        name="absolute",
        parameters=Absolute,
        paper="the smallest function that a network of relu learns exactly",
        shape=lambda h: Shape(1, 1),
        constants=AbsoluteConstants,
        prepare=prepare,
        draws=lambda h: 2,
        sample=sample,
        label_noise=lambda h: "bounded" if h.noise > 0 else "none",
        held_out=lambda h: h.held_out,
    )
)
