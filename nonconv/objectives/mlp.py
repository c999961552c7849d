"""A small fully connected network, arXiv:2407.08100, Theorem 1.2 (as reconstructed): one network per path."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from numpy.typing import NDArray
from typing_extensions import Doc

from nonconv.components.definitions import SQUARED_DISTANCE, Complaint, Coupled, Group, Layers, OneOf, Shape
from nonconv.numerics.arithmetic import Array, Lanes, each, select
from nonconv.numerics.elementary import exp, log
from nonconv.objectives.activations import ACTIVATIONS, Activation, activate
from nonconv.objectives.dense import add_outer, affine, pull_back

Width = Annotated[int, Interval(ge=1, le=1024)]
Loss = Literal["squared", "cross_entropy"]


class Mlp(NamedTuple):
    """A fully connected network N_theta, trained on examples (x, y): E of loss(N_theta(x), y), one network per path.

        a_0 = x        z_k = W_k a_{k-1} + b_k        a_k = activation(z_k), but N_theta(x) = z_K
        loss: squared          |N_theta(x) - y|^2; of classes, y is 1 at the class and 0 elsewhere
        loss: cross_entropy    log(sum_k exp(N_theta(x)_k)) - N_theta(x)_y
        plus weight_decay / 2 |theta|^2, as in PyTorch's optimizers

    A step averages the gradient over the batch. theta holds W_1 row by row, b_1, W_2, ...: PyTorch's parameters, one after
    the other. Hidden units are exchangeable, so paths end in different copies of one function: every statistic compares
    a path with itself.
    """

    data: Annotated[Any, OneOf("dataset"), Doc("the examples (x, y)")]
    hidden: Annotated[tuple[Width, ...], Len(0, 8), Doc("the widths of the hidden layers; none: a linear model")] = (16,)
    activation: Annotated[Activation, Doc("of the hidden units")] = "relu"
    loss: Annotated[Loss, Doc("squared distance, or cross-entropy of classes after a softmax")] = "squared"
    weight_decay: Annotated[float, Interval(ge=0), Doc("adds weight_decay * theta to the gradient")] = 0.0


class MlpConstants(NamedTuple):
    """What kernels need to know of a network, as numbers and arrays.

    widths: units per layer, the features first. weights: the row of theta where each layer's weights begin. rows: the row
    where each layer's activations begin among those of all units. units: units of all layers without the features.
    activation: its function; a kernel has its address. cross_entropy, classes: whether the loss and the targets are so.
    decay: weight_decay.
    """

    widths: NDArray[np.int64]
    weights: NDArray[np.int64]
    rows: NDArray[np.int64]
    units: int
    activation: Callable[[int, Array, Array], None]
    cross_entropy: bool
    classes: bool
    decay: float


def widths(h: Mlp, shape: Shape) -> list[int]:
    """Return the units per layer, the features first and the outputs last."""
    return [shape.features, *h.hidden, shape.classes or shape.targets]


def layers(h: Mlp, shape: Shape) -> Iterator[tuple[str, int, int]]:
    """Yield name, inputs and outputs of each layer, from the first hidden one to the output."""
    sizes = widths(h, shape)
    names = [*(f"hidden{k + 1}" if len(h.hidden) > 1 else "hidden" for k in range(len(h.hidden))), "output"]
    return zip(names, sizes[:-1], sizes[1:], strict=True)


def groups(h: Mlp, shape: Shape) -> tuple[Group, ...]:
    """Return the weights and biases of each layer as groups of coordinates, in the order of theta."""
    found, at = [], 0
    for name, inputs, outputs in layers(h, shape):
        biases = at + outputs * inputs
        found.append(Group(f"{name}.weight", at, biases, inputs, outputs))
        found.append(Group(f"{name}.bias", biases, biases + outputs))
        at = biases + outputs
    return tuple(found)


def prepare(h: Mlp, shape: Shape) -> MlpConstants:
    """Tabulate where each layer lies in theta and among the units."""
    sizes = np.array(widths(h, shape), dtype=np.int64)
    # Weights and biases of each layer; partial sums give where each begins.
    numbers = sizes[1:] * (sizes[:-1] + 1)
    return MlpConstants(
        sizes,
        np.cumsum(numbers) - numbers,
        np.cumsum(sizes[1:]) - sizes[1:],
        int(sizes[1:].sum()),
        ACTIVATIONS[h.activation],
        h.loss == "cross_entropy",
        shape.classes > 0,
        float(h.weight_decay),
    )


def work(h: Mlp, shape: Shape) -> int:
    """Return how many rows of scratch a network needs, three per unit.

    They hold, for all units in this order: the activation, its slope, and the derivative of the loss by the unit's input.
    """
    return 3 * sum(widths(h, shape)[1:])


def forward(k: MlpConstants, n: int, theta: Array, x: Array, work: Array) -> None:
    """Run the network on n examples x (features, n).

    Writes the activations of all layers to the first third of work, N_theta(x) last, and their slopes to the second.
    """
    a = x
    for layer in range(len(k.weights)):
        first, last = k.rows[layer], k.rows[layer] + k.widths[layer + 1]
        z = work[first:last]
        affine(theta, k.weights[layer], a, z, n)
        if layer + 1 < len(k.weights):
            activate(k.activation, n, z, work[k.units + first : k.units + last])
        a = z


def target(k: MlpConstants, y: Array, o: int, i: Lanes) -> Lanes:
    """Return the target of output o for examples i: y_o; of classes 1 if o is the class, else 0."""
    if k.classes:
        return select(y[0, i] == o, 1.0, 0.0)
    return y[o, i]


def largest(z: Array, n: int, out: Array) -> None:
    """Write the largest of the rows of z (rows, n) to out[0]."""
    for i in each(n):
        out[0, i] = z[0, i]
    for o in range(1, len(z)):
        for i in each(n):
            out[0, i] = select(z[o, i] > out[0, i], z[o, i], out[0, i])


def softmax(z: Array, n: int, out: Array, room: Array) -> None:
    """Write exp(z - max z) to out (rows, n), the maximum to room[0] and the sum of out to room[1].

    No exponential overflows, since none has a positive argument.
    """
    largest(z, n, room)
    for i in each(n):
        room[1, i] = 0.0
    for o in range(len(z)):
        for i in each(n):
            out[o, i] = exp(z[o, i] - room[0, i])
            room[1, i] += out[o, i]


def loss(k: MlpConstants, n: int, theta: Array, x: Array, y: Array, out: Array, work: Array) -> None:
    """Write the loss of n examples to out[0], and to out[1] 1 where the class with the largest output is wrong.

    theta (dim, lanes), x (features, n), y (targets, n), out (2, n), work (rows of `work`, n).
    """
    forward(k, n, theta, x, work)
    first = k.rows[-1]
    z = work[first : first + k.widths[-1]]
    # The output layer has no slopes, and no derivative is wanted here: both parts of work are free.
    room, delta = work[k.units + first : 2 * k.units], work[2 * k.units + first : 3 * k.units]
    for i in each(n):
        out[0, i] = out[1, i] = 0.0
    if k.cross_entropy:
        softmax(z, n, delta, room)
        for o in range(len(z)):
            for i in each(n):
                # z_y and the logarithm of the sum below are both relative to the largest output.
                out[0, i] -= target(k, y, o, i) * (z[o, i] - room[0, i])
        for i in each(n):
            out[0, i] += log(room[1, i])
    else:
        for o in range(len(z)):
            for i in each(n):
                out[0, i] += (z[o, i] - target(k, y, o, i)) * (z[o, i] - target(k, y, o, i))
    if k.classes:
        largest(z, n, room)
        for o in range(len(z)):
            for i in each(n):
                # A tie counts as right if the true class is among the largest outputs.
                out[1, i] += select(y[0, i] == o, select(z[o, i] == room[0, i], 0.0, 1.0), 0.0)


def derivative(k: MlpConstants, n: int, z: Array, y: Array, delta: Array, room: Array) -> None:
    """Write d loss / d N_theta(x) to delta (outputs, n); room (2 rows at least, n) is overwritten.

    Softmax minus target for cross-entropy, 2 (z - target) for the squared distance.
    """
    if k.cross_entropy:
        softmax(z, n, delta, room)
        for o in range(len(z)):
            for i in each(n):
                delta[o, i] = delta[o, i] / room[1, i] - target(k, y, o, i)
    else:
        for o in range(len(z)):
            for i in each(n):
                delta[o, i] = 2.0 * (z[o, i] - target(k, y, o, i))


def add_gradient(k: MlpConstants, n: int, theta: Array, x: Array, y: Array, gradient: Array, work: Array) -> None:
    """Add the gradient of the loss, summed over the examples of each path, to gradient (dim, lanes).

    Back-propagation (Rumelhart, Hinton & Williams 1986). Arguments as those of `loss`; the penalty is not part of it.
    """
    forward(k, n, theta, x, work)
    z = work[k.rows[-1] : k.rows[-1] + k.widths[-1]]
    slopes, deltas = work[k.units : 2 * k.units], work[2 * k.units :]
    # The output layer has no activation, so its rows of slopes are free: they are the softmax's room.
    derivative(k, n, z, y, deltas[k.rows[-1] :], slopes[k.rows[-1] :])
    for layer in range(len(k.weights) - 1, 0, -1):
        before, first, last = k.rows[layer - 1], k.rows[layer], k.rows[layer] + k.widths[layer + 1]
        add_outer(gradient, k.weights[layer], deltas[first:last], work[before:first], n)
        pull_back(theta, k.weights[layer], deltas[first:last], deltas[before:first], n)
        for j in range(before, first):
            for i in each(n):
                deltas[j, i] *= slopes[j, i]
    add_outer(gradient, k.weights[0], deltas[: k.widths[1]], x, n)


def penalty(k: MlpConstants, theta: Lanes) -> Lanes:
    """Return the gradient of weight_decay / 2 theta^2, coordinate by coordinate."""
    return k.decay * theta


def idle(k: MlpConstants, n: int, work: Array) -> list[NDArray[np.bool_]]:
    """Return per hidden layer, as (units, n), which units do not react to an example: their slope is 0.

    Reads work (rows, n) as `loss` left it.
    """
    ends = [*k.rows[1:], k.rows[-1]]
    return [work[k.units + first : k.units + last, :n] == 0.0 for first, last in zip(k.rows[:-1], ends, strict=False)]


def check_shape(h: Mlp, shape: Shape) -> list[Complaint]:
    """Refuse cross-entropy for targets that are not classes."""
    if h.loss == "cross_entropy" and not shape.classes:
        return [Complaint("loss", "cross_entropy needs data whose targets are classes", "squared, or labels: classes")]
    return []


def represents(h: Mlp, layers: Layers) -> bool:
    """Return whether some weights give all labels of a network with these layers, up to rounding, without any loss.

    Further units may get the weight 0. Deeper networks may come arbitrarily close, but not there.
    """
    if h.loss != "squared" or h.weight_decay > 0 or len(h.hidden) != len(layers.hidden):
        return False
    wide = all(own >= given for own, given in zip(h.hidden, layers.hidden, strict=True))
    return wide and (not h.hidden or h.activation == layers.activation)


MLP = Coupled(
    name="mlp",
    parameters=Mlp,
    paper="arXiv:2407.08100, Theorem 1.2 (as reconstructed)",
    groups=groups,
    constants=MlpConstants,
    prepare=prepare,
    work=work,
    loss=loss,
    add_gradient=add_gradient,
    penalty=penalty,
    loss_name=lambda h: SQUARED_DISTANCE if h.loss == "squared" else "cross-entropy",
    idle=idle,
    check_shape=check_shape,
    represents=represents,
)
