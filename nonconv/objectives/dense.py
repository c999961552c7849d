"""The products of a dense layer over lanes of paths, each path with its own weights.

They are the only operations of a network that mix coordinates. Here they are NumPy, a sum after the other; the compile
boundary gives these names products with the same sums in the same order, blocked for registers.

The weights of a layer lie in theta (dim, lanes) from row `at` on: weight (o, j) of output o and input j in row
at + o * inputs + j, then the biases, as in PyTorch's parameters. Of examples there are n / lanes, side by side: column
s * lanes + l belongs to example s of path l.
"""

import numpy as np

from nonconv.numerics.arithmetic import Array


def affine(theta: Array, at: int, x: Array, z: Array, n: int) -> None:
    """Write z_o = bias_o + sum over j of weight_oj x_j, for the layer whose weights begin in row `at` of theta.

    theta (dim, lanes), x (inputs, >= n), z (outputs, >= n), n = examples * lanes.
    """
    weight, bias = _layer(theta, at, len(x), len(z))
    x, z = _view_by_example(x, n, theta), _view_by_example(z, n, theta)
    # The bias first, then one input after another: compiled products add up in this order, for the same bits.
    z[:] = bias[:, None]
    for j in range(len(x)):
        z += weight[:, j, None] * x[j]


def add_outer(gradient: Array, at: int, delta: Array, x: Array, n: int) -> None:
    """Add to the layer's gradient delta_o x_j for each weight and delta_o for each bias, example after example.

    gradient (dim, lanes), delta (outputs, >= n), x (inputs, >= n), n = examples * lanes.
    """
    weight, bias = _layer(gradient, at, len(x), len(delta))
    delta, x = _view_by_example(delta, n, gradient), _view_by_example(x, n, gradient)
    # One example after another, for the same bits as the compiled products.
    for s in range(delta.shape[1]):
        weight += delta[:, None, s] * x[:, s]
        bias += delta[:, s]


def linear(theta: Array, at: int, x: Array, z: Array, n: int) -> None:
    """Write z_o = sum over j of weight_oj x_j: `affine` of a layer without biases."""
    weight = theta[at : at + len(z) * len(x)].reshape(len(z), len(x), -1)
    x, z = _view_by_example(x, n, theta), _view_by_example(z, n, theta)
    z[:] = 0.0
    for j in range(len(x)):
        z += weight[:, j, None] * x[j]


def add_weights(gradient: Array, at: int, delta: Array, x: Array, n: int) -> None:
    """Add to the layer's gradient delta_o x_j for each weight: `add_outer` of a layer without biases."""
    weight = gradient[at : at + len(delta) * len(x)].reshape(len(delta), len(x), -1)
    delta, x = _view_by_example(delta, n, gradient), _view_by_example(x, n, gradient)
    for s in range(delta.shape[1]):
        weight += delta[:, None, s] * x[:, s]


def pull_back(theta: Array, at: int, delta: Array, back: Array, n: int) -> None:
    """Write back_j = sum over o of weight_oj delta_o: the derivative by a layer's inputs from that by its outputs.

    theta (dim, lanes), delta (outputs, >= n), back (inputs, >= n), n = examples * lanes.
    """
    weight, _ = _layer(theta, at, len(back), len(delta))
    delta, back = _view_by_example(delta, n, theta), _view_by_example(back, n, theta)
    back[:] = 0.0
    for o in range(len(delta)):
        back += weight[o, :, None] * delta[o]


def _layer(theta: Array, at: int, inputs: int, outputs: int) -> tuple[Array, Array]:
    """Return views of the layer's weights (outputs, inputs, lanes) and biases (outputs, lanes)."""
    biases = at + outputs * inputs
    return theta[at:biases].reshape(outputs, inputs, -1), theta[biases : biases + outputs]


def _view_by_example(rows: Array, n: int, theta: Array) -> Array:
    """Return the first n columns of rows as a view (rows, examples, lanes)."""
    lanes = theta.shape[1]
    return np.lib.stride_tricks.as_strided(
        rows, (len(rows), n // lanes, lanes), (rows.strides[0], lanes * rows.itemsize, rows.itemsize)
    )
