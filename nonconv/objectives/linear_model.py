"""A linear model of examples, with a convex loss: least squares, logistic and softmax regression."""

from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Coupled, Group, Known, Layers, OneOf, Shape
from nonconv.numerics.arithmetic import Array, Lanes, each, select
from nonconv.numerics.elementary import exp, log, log1p, sigmoid
from nonconv.objectives.dense import add_outer, add_weights, affine, linear
from nonconv.objectives.linear_fit import UNKNOWN, Fit, from_truth, minimize
from nonconv.objectives.mlp import softmax

Loss = Literal["squared", "logistic", "cross_entropy"]
LOSSES: tuple[str, ...] = get_args(Loss)
"""Names of the losses; kernels take the index of one."""
LOGISTIC, CROSS_ENTROPY = 1, 2


class LinearModel(NamedTuple):
    """A linear model W x + b, trained on examples (x, y): E of a loss that is convex in theta, one model per path.

        z = W x + b        without b where there is no intercept
        loss: squared          |z - y|^2 / 2; of classes, y is 1 at the class and 0 elsewhere
        loss: logistic         log(1 + exp(-y z)), where y is 1 for class 1 and -1 for class 0
        loss: cross_entropy    log(sum_k exp(z_k)) - z_y, for any number of classes
        plus weight_decay / 2 |theta|^2, of b too, as in PyTorch's optimizers

    A step averages the gradient over the batch. theta holds W row by row, then b, and starts at 0 unless `start` says
    otherwise. The minimizer is that of the mean loss of all training rows of a table; of a law it is known where the
    labels are linear in x (data linear). Classes that a hyperplane separates have none; of several it is the shortest.
    """

    data: Annotated[Any, OneOf("dataset"), Doc("the examples (x, y)")]
    loss: Annotated[Loss, Doc("half the squared distance, or of classes: logistic for two, cross-entropy for several")] = (
        "squared"
    )
    intercept: Annotated[bool, Doc("whether there is a b")] = True
    weight_decay: Annotated[float, Interval(ge=0), Doc("adds weight_decay * theta to the gradient")] = 0.0


class LinearModelConstants(NamedTuple):
    """What kernels need to know of a linear model: numbers.

    outputs: rows of W. loss: its index into LOSSES. intercept: whether there is a b. classes: whether targets are classes.
    decay: weight_decay.
    """

    outputs: int
    loss: int
    intercept: bool
    classes: bool
    decay: float


def outputs(h: LinearModel, shape: Shape) -> int:
    """Return how many numbers z has."""
    return 1 if h.loss == "logistic" else shape.classes or shape.targets


def groups(h: LinearModel, shape: Shape) -> tuple[Group, ...]:
    """Return W and b as groups of coordinates, in the order of theta."""
    rows = outputs(h, shape)
    weights = rows * shape.features
    found = Group("weight", 0, weights, shape.features, rows), Group("bias", weights, weights + rows)
    return found if h.intercept else found[:1]


def prepare(h: LinearModel, shape: Shape) -> LinearModelConstants:
    """Return the constants."""
    return LinearModelConstants(outputs(h, shape), LOSSES.index(h.loss), h.intercept, shape.classes > 0, float(h.weight_decay))


def work(h: LinearModel, shape: Shape) -> int:
    """Return how many rows of scratch it needs: z, the derivative of the loss by z, and two for a softmax."""
    return 2 * outputs(h, shape) + 2


def evaluate(k: LinearModelConstants, n: int, theta: Array, x: Array, z: Array) -> None:
    """Write z = W x + b of n examples x (features, n) to z (outputs, n)."""
    if k.intercept:
        affine(theta, 0, x, z, n)
    else:
        linear(theta, 0, x, z, n)


def target(k: LinearModelConstants, y: Array, o: int, i: Lanes) -> Lanes:
    """Return the target of output o for examples i: y_o; of classes 1 if o is the class, else 0."""
    if k.classes:
        return select(y[0, i] == o, 1.0, 0.0)
    return y[o, i]


def find_mistakes(z: Array, n: int, y: Array, out: Array, room: Array) -> None:
    """Write 1 to out[1] where the class y (1, n) is not that of the largest row of z (rows, n), else 0; room is overwritten.

    Of several largest rows the first counts, as in PyTorch's argmax: at theta = 0, where models start, all are equal.
    """
    for i in each(n):
        room[0, i], room[1, i] = z[0, i], 0.0
    for o in range(1, len(z)):
        label = float(o)
        for i in each(n):
            room[1, i] = select(z[o, i] > room[0, i], label, room[1, i])
            room[0, i] = select(z[o, i] > room[0, i], z[o, i], room[0, i])
    for i in each(n):
        out[1, i] = select(room[1, i] == y[0, i], 0.0, 1.0)


def loss(k: LinearModelConstants, n: int, theta: Array, x: Array, y: Array, out: Array, work: Array) -> None:
    """Write the loss of n examples to out[0], and to out[1] 1 where the class with the largest output is wrong.

    theta (dim, lanes), x (features, n), y (targets, n), out (2, n), work (rows of `work`, n).
    """
    z, delta, room = work[: k.outputs], work[k.outputs : 2 * k.outputs], work[2 * k.outputs :]
    evaluate(k, n, theta, x, z)
    for i in each(n):
        out[0, i] = out[1, i] = 0.0
    if k.loss == LOGISTIC:
        for i in each(n):
            # log(1 + exp(m)) as max(m, 0) + log1p(exp(-|m|)), which cannot overflow.
            m = (1.0 - 2.0 * y[0, i]) * z[0, i]
            out[0, i] = select(m <= 0.0, 0.0, m) + log1p(exp(-np.abs(m)))
            out[1, i] = select(z[0, i] > 0.0, 1.0 - y[0, i], y[0, i])
    elif k.loss == CROSS_ENTROPY:
        softmax(z, n, delta, room)
        for o in range(k.outputs):
            for i in each(n):
                # z_y and the logarithm of the sum below are both relative to the largest output.
                out[0, i] -= target(k, y, o, i) * (z[o, i] - room[0, i])
        for i in each(n):
            out[0, i] += log(room[1, i])
    else:
        for o in range(k.outputs):
            for i in each(n):
                out[0, i] += 0.5 * ((z[o, i] - target(k, y, o, i)) * (z[o, i] - target(k, y, o, i)))
    if k.classes and k.loss != LOGISTIC:
        find_mistakes(z, n, y, out, room)


def add_gradient(k: LinearModelConstants, n: int, theta: Array, x: Array, y: Array, gradient: Array, work: Array) -> None:
    """Add the gradient of the loss, summed over the examples of each path, to gradient (dim, lanes).

    Arguments as those of `loss`; the penalty is not part of it.
    """
    z, delta, room = work[: k.outputs], work[k.outputs : 2 * k.outputs], work[2 * k.outputs :]
    evaluate(k, n, theta, x, z)
    if k.loss == LOGISTIC:
        for i in each(n):
            # sigmoid(z) - 1 for class 1, sigmoid(z) for class 0: the small one of both without cancellation.
            sign = 1.0 - 2.0 * y[0, i]
            delta[0, i] = sign * sigmoid(sign * z[0, i])
    elif k.loss == CROSS_ENTROPY:
        softmax(z, n, delta, room)
        for o in range(k.outputs):
            for i in each(n):
                delta[o, i] = delta[o, i] / room[1, i] - target(k, y, o, i)
    else:
        for o in range(k.outputs):
            for i in each(n):
                delta[o, i] = z[o, i] - target(k, y, o, i)
    if k.intercept:
        add_outer(gradient, 0, delta, x, n)
    else:
        add_weights(gradient, 0, delta, x, n)


def penalty(k: LinearModelConstants, theta: Lanes) -> Lanes:
    """Return the gradient of weight_decay / 2 theta^2, coordinate by coordinate."""
    return k.decay * theta


def check_shape(h: LinearModel, shape: Shape) -> list[Complaint]:
    """Refuse a loss of classes for targets that are none, and logistic for more than two."""
    if h.loss == "cross_entropy" and not shape.classes:
        return [Complaint("loss", "cross_entropy needs data whose targets are classes", "squared, or labels: classes")]
    if h.loss == "logistic" and shape.classes != 2:
        what = f"there are {shape.classes}" if shape.classes else "these targets are numbers"
        allowed = "cross_entropy, squared" if shape.classes else "squared, or labels: classes"
        return [Complaint("loss", f"logistic needs data of two classes, but {what}", allowed)]
    return []


def represents(h: LinearModel, layers: Layers) -> bool:
    """Return whether some theta gives all labels of a network with these layers, up to rounding, without any loss."""
    return h.loss == "squared" and h.weight_decay == 0 and h.intercept and not layers.hidden


def minimizer(h: LinearModel, shape: Shape, known: Known) -> Array | str:
    """Return theta (dim,) at which the mean loss is least, or why there is none."""
    fit = Fit(h.loss, shape.classes, h.intercept, h.weight_decay)
    if known.rows is not None:
        return minimize(fit, *known.rows)
    return UNKNOWN if known.truth is None else from_truth(fit, known.truth)


NAMES = {"squared": "half the squared distance", "logistic": "logistic", "cross_entropy": "cross-entropy"}
"""What the losses are called."""

LINEAR_MODEL = Coupled(
    name="linear_model",
    parameters=LinearModel,
    paper="least squares, logistic and softmax regression",
    groups=groups,
    constants=LinearModelConstants,
    prepare=prepare,
    work=work,
    loss=loss,
    add_gradient=add_gradient,
    penalty=penalty,
    loss_name=lambda h: NAMES[h.loss],
    check_shape=check_shape,
    represents=represents,
    minimizer=minimizer,
    degree=lambda h: 2 if h.loss == "squared" else None,
    convex=lambda h: True,
    starts_at_zero=True,
)
