"""The products of `objectives.dense` in kernels: blocked for registers, with the same sums in the same order.

Each sum is made by a multiplication and an addition for every term, never fused: the bits are those of NumPy.
"""

from typing import Any

import numpy as np

from nonconv.engine.compiler import ONLY_FROM_KERNELS, njit
from nonconv.engine.kernel_files import KERNEL_HELPERS, TOGETHER_HELPERS
from nonconv.engine.products_of_eight import product
from nonconv.engine.products_of_one import outer, spread
from nonconv.engine.tiles import EXAMPLES_OF_ONE, LANES
from nonconv.objectives import dense

ZERO, ONE, ONES = np.zeros((1, LANES)), np.ones((1, LANES)), np.ones((1, EXAMPLES_OF_ONE))


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def affine_of_eight(theta: Any, at: Any, x: Any, z: Any, n: Any) -> None:
    """Write a layer's inputs to its activation, for eight paths at once."""
    lanes, inputs, outputs = theta.shape[1], len(x), len(z)
    bias = (at + outputs * inputs) * lanes
    product(
        (outputs, n // lanes, inputs, lanes),
        z, (0, z.shape[1], lanes), theta, (bias, lanes, 0),
        theta, (at * lanes, inputs * lanes, lanes), x, (0, x.shape[1], lanes),
    )  # fmt: skip


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def affine(theta: Any, at: Any, x: Any, z: Any, n: Any) -> None:
    """Write a layer's inputs to its activation, as objectives.dense.affine, bit for bit."""
    lanes, inputs, outputs = theta.shape[1], len(x), len(z)
    bias = (at + outputs * inputs) * lanes
    if lanes == 1:
        spread((outputs, n, inputs), z, (0, z.shape[1]), theta, (bias, 1), theta, (at, inputs, 1), x, (0, x.shape[1]))
        return
    affine_of_eight(theta, at, x, z, n)


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def add_outer_of_eight(gradient: Any, at: Any, delta: Any, x: Any, n: Any) -> None:
    """Add to a layer's gradient, for eight paths at once."""
    lanes, inputs, outputs = gradient.shape[1], len(x), len(delta)
    weights, biases = (at * lanes, inputs * lanes, lanes), ((at + outputs * inputs) * lanes, lanes, 0)
    deltas = (0, delta.shape[1], lanes)
    product(
        (outputs, inputs, n // lanes, lanes), gradient, weights, gradient, weights, delta, deltas, x, (0, lanes, x.shape[1])
    )
    # The biases' gradient is a product with a column of ones: multiplying by 1 is exact.
    product((outputs, 1, n // lanes, lanes), gradient, biases, gradient, biases, delta, deltas, ONE, (0, 0, 0))


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def add_outer(gradient: Any, at: Any, delta: Any, x: Any, n: Any) -> None:
    """Add to a layer's gradient, as objectives.dense.add_outer, bit for bit."""
    lanes, inputs, outputs = gradient.shape[1], len(x), len(delta)
    if lanes == 1:
        outer((outputs, inputs, n), gradient, (at, inputs), delta, (0, delta.shape[1]), x, (0, x.shape[1]))
        # The biases' gradient is a product with a column of ones: multiplying by 1 is exact.
        outer((outputs, 1, n), gradient, (at + outputs * inputs, 1), delta, (0, delta.shape[1]), ONES, (0, 0))
        return
    add_outer_of_eight(gradient, at, delta, x, n)


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def linear_of_eight(theta: Any, at: Any, x: Any, z: Any, n: Any) -> None:
    """Write a layer's inputs to its activation, for eight paths at once."""
    lanes, inputs, outputs = theta.shape[1], len(x), len(z)
    product(
        (outputs, n // lanes, inputs, lanes),
        z, (0, z.shape[1], lanes), ZERO, (0, 0, 0),
        theta, (at * lanes, inputs * lanes, lanes), x, (0, x.shape[1], lanes),
    )  # fmt: skip


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def linear(theta: Any, at: Any, x: Any, z: Any, n: Any) -> None:
    """Write a layer's inputs to its activation, as objectives.dense.linear, bit for bit."""
    lanes, inputs, outputs = theta.shape[1], len(x), len(z)
    if lanes == 1:
        spread((outputs, n, inputs), z, (0, z.shape[1]), ZERO, (0, 0), theta, (at, inputs, 1), x, (0, x.shape[1]))
        return
    linear_of_eight(theta, at, x, z, n)


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def add_weights_of_eight(gradient: Any, at: Any, delta: Any, x: Any, n: Any) -> None:
    """Add to a layer's gradient, for eight paths at once."""
    lanes, inputs, outputs = gradient.shape[1], len(x), len(delta)
    weights = (at * lanes, inputs * lanes, lanes)
    product(
        (outputs, inputs, n // lanes, lanes),
        gradient, weights, gradient, weights,
        delta, (0, delta.shape[1], lanes), x, (0, lanes, x.shape[1]),
    )  # fmt: skip


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def add_weights(gradient: Any, at: Any, delta: Any, x: Any, n: Any) -> None:
    """Add to a layer's gradient, as objectives.dense.add_weights, bit for bit."""
    lanes, inputs, outputs = gradient.shape[1], len(x), len(delta)
    if lanes == 1:
        outer((outputs, inputs, n), gradient, (at, inputs), delta, (0, delta.shape[1]), x, (0, x.shape[1]))
        return
    add_weights_of_eight(gradient, at, delta, x, n)


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def pull_back_of_eight(theta: Any, at: Any, delta: Any, back: Any, n: Any) -> None:
    """Write the derivative by a layer's inputs, for eight paths at once."""
    lanes, inputs, outputs = theta.shape[1], len(back), len(delta)
    product(
        (inputs, n // lanes, outputs, lanes),
        back, (0, back.shape[1], lanes), ZERO, (0, 0, 0),
        theta, (at * lanes, lanes, inputs * lanes), delta, (0, delta.shape[1], lanes),
    )  # fmt: skip


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def pull_back(theta: Any, at: Any, delta: Any, back: Any, n: Any) -> None:
    """Write the derivative by a layer's inputs, as objectives.dense.pull_back, bit for bit."""
    lanes, inputs, outputs = theta.shape[1], len(back), len(delta)
    if lanes == 1:
        spread((inputs, n, outputs), back, (0, back.shape[1]), ZERO, (0, 0), theta, (at, 1, inputs), delta, (0, delta.shape[1]))
        return
    pull_back_of_eight(theta, at, delta, back, n)


TOGETHER_HELPERS.update(
    {
        dense.affine: affine_of_eight,
        dense.add_outer: add_outer_of_eight,
        dense.linear: linear_of_eight,
        dense.add_weights: add_weights_of_eight,
        dense.pull_back: pull_back_of_eight,
    }
)
KERNEL_HELPERS.update(
    {
        dense.affine: affine,
        dense.add_outer: add_outer,
        dense.linear: linear,
        dense.add_weights: add_weights,
        dense.pull_back: pull_back,
    }
)
