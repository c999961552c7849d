"""A coupled objective as a plug-in, robust linear regression: nonconv explain docs/plugins/pseudo_huber.py --test"""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import OBJECTIVES, Array, Complaint, Coupled, Doc, Group, Interval, Lanes, OneOf, Shape, each


class PseudoHuber(NamedTuple):
    """Linear regression that outliers pull little: delta^2 (sqrt(1 + (e / delta)^2) - 1), where e = w . x + b - y.

    About e^2 / 2 for small errors e, and delta |e| for large ones.
    """

    data: Annotated[object, OneOf("dataset"), Doc("examples with one target, a number")]
    delta: Annotated[float, Interval(gt=0, le=1e6), Doc("the error from which on the loss grows linearly")] = 1.0
    weight_decay: Annotated[float, Interval(ge=0, le=1e6), Doc("adds weight_decay / 2 |theta|^2 to the loss")] = 0.0


class PseudoHuberConstants(NamedTuple):
    features: int
    delta: float
    decay: float


def groups(h: PseudoHuber, shape: Shape) -> tuple[Group, ...]:
    """Name the coordinates: first the weights w, then b. Weights have a fan_in and a fan_out, for `start: he`."""
    return Group("weight", 0, shape.features, shape.features, 1), Group("bias", shape.features, shape.features + 1)


def prepare(h: PseudoHuber, shape: Shape) -> PseudoHuberConstants:
    return PseudoHuberConstants(shape.features, float(h.delta), float(h.weight_decay))


def errors(k: PseudoHuberConstants, n: int, theta: Array, x: Array, y: Array, out: Array) -> None:
    """Write e of every example to out (n,).

    Column i belongs to path i % lanes, whose coordinates are the column theta[:, i % lanes].
    """
    lanes = theta.shape[1]
    for i in each(n):
        out[i] = theta[k.features, i % lanes] - y[0, i]
    for j in range(k.features):
        for i in each(n):
            out[i] += theta[j, i % lanes] * x[j, i]


def loss(k: PseudoHuberConstants, n: int, theta: Array, x: Array, y: Array, out: Array, work: Array) -> None:
    errors(k, n, theta, x, y, work[0])
    for i in each(n):
        e = work[0, i] / k.delta
        # sqrt(1 + e^2) - 1 without the difference, in which small errors would vanish.
        out[0, i] = work[0, i] * work[0, i] / (np.sqrt(1.0 + e * e) + 1.0)
        out[1, i] = 0.0  # there are no classes, so no example is taken for a wrong one


def add_gradient(k: PseudoHuberConstants, n: int, theta: Array, x: Array, y: Array, gradient: Array, work: Array) -> None:
    """Add to gradient (dim, lanes) what every example of a path contributes.

    Several columns add to one entry of it, so the loop over lanes is the inner one: `each` may be all positions at once, and
    must not meet an entry twice.
    """
    errors(k, n, theta, x, y, work[0])
    lanes = theta.shape[1]
    for first in range(0, n, lanes):  # an example of every path
        for i in each(lanes):
            e = work[0, first + i] / k.delta
            work[0, first + i] = work[0, first + i] / np.sqrt(1.0 + e * e)
        for j in range(k.features):
            for i in each(lanes):
                gradient[j, i] += work[0, first + i] * x[j, first + i]
        for i in each(lanes):
            gradient[k.features, i] += work[0, first + i]


def penalty(k: PseudoHuberConstants, theta: Lanes) -> Lanes:
    return k.decay * theta


def check_shape(h: PseudoHuber, shape: Shape) -> list[Complaint]:
    good = shape.targets == 1 and not shape.classes
    return [] if good else [Complaint("data", "pseudo_huber learns one number", "data with one target, without classes")]


OBJECTIVES.register(
    Coupled(
        name="pseudo_huber",
        parameters=PseudoHuber,
        paper="Charbonnier, Blanc-Féraud, Aubert & Barlaud (1997), IEEE Trans. Image Process. 6(2), the loss",
        groups=groups,
        constants=PseudoHuberConstants,
        prepare=prepare,
        work=lambda h, shape: 1,
        loss=loss,
        add_gradient=add_gradient,
        penalty=penalty,
        loss_name=lambda h: "the pseudo-Huber loss",
        check_shape=check_shape,
    )
)
