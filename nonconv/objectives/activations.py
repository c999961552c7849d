"""The activations of hidden units, each with its slope. All replace z (units, n) in place and write to slope (units, n)."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from nonconv.numerics.arithmetic import Array, each, select
from nonconv.numerics.elementary import erf, exp, log1p, sigmoid, tanh

Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "identity"]

LEAK = 0.01
"""The slope of leaky_relu below 0, as in PyTorch."""
INVERSE_ROOT_2, INVERSE_ROOT_2_PI = 0.7071067811865476, 0.3989422804014327


def activate(activation: Callable[[int, Array, Array], None], n: int, z: Array, slope: Array) -> None:
    """Replace z (units, n) by an activation of ACTIVATIONS, and write its derivative to slope.

    At a kink the slope is that of the left side. The first n columns are touched, no others.
    """
    activation(n, z, slope)


def relu(n: int, z: Array, slope: Array) -> None:
    """Write max(z, 0), with slope 1 above 0 and 0 elsewhere; nan stays nan."""
    for o in range(len(z)):
        for i in each(n):
            slope[o, i] = select(z[o, i] > 0.0, 1.0, 0.0)
            z[o, i] = select(z[o, i] <= 0.0, 0.0, z[o, i])  # nan stays


def leaky_relu(n: int, z: Array, slope: Array) -> None:
    """Write z above 0 and LEAK z elsewhere, with slope 1 and LEAK."""
    for o in range(len(z)):
        for i in each(n):
            slope[o, i] = select(z[o, i] > 0.0, 1.0, LEAK)
            z[o, i] = z[o, i] * slope[o, i]


def hyperbolic_tangent(n: int, z: Array, slope: Array) -> None:
    """Write tanh(z), with slope 1 - tanh(z)^2."""
    for o in range(len(z)):
        for i in each(n):
            z[o, i] = tanh(z[o, i])
            slope[o, i] = 1.0 - z[o, i] * z[o, i]


def logistic(n: int, z: Array, slope: Array) -> None:
    """Write s = 1 / (1 + exp(-z)), with slope s (1 - s)."""
    for o in range(len(z)):
        for i in each(n):
            z[o, i] = sigmoid(z[o, i])
            slope[o, i] = z[o, i] * (1.0 - z[o, i])


def softplus(n: int, z: Array, slope: Array) -> None:
    """Write log(1 + exp(z)), with slope 1 / (1 + exp(-z)).

    It is computed as max(z, 0) + log1p(exp(-|z|)), which cannot overflow.
    """
    for o in range(len(z)):
        for i in each(n):
            slope[o, i] = sigmoid(z[o, i])
            z[o, i] = select(z[o, i] <= 0.0, 0.0, z[o, i]) + log1p(exp(-np.abs(z[o, i])))


def gelu(n: int, z: Array, slope: Array) -> None:
    """Write z P(N <= z) for a standard normal N, with slope P(N <= z) + z phi(z), phi being the density of N.

    Source: Hendrycks & Gimpel, arXiv:1606.08415, exact form.
    """
    for o in range(len(z)):
        for i in each(n):
            below = 0.5 * (1.0 + erf(z[o, i] * INVERSE_ROOT_2))
            slope[o, i] = below + z[o, i] * (INVERSE_ROOT_2_PI * exp(-0.5 * z[o, i] * z[o, i]))
            z[o, i] = z[o, i] * below


def identity(n: int, z: Array, slope: Array) -> None:
    """Keep z, with slope 1."""
    for o in range(len(z)):
        for i in each(n):
            slope[o, i] = 1.0


ACTIVATIONS: dict[str, Callable[[int, Array, Array], None]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "tanh": hyperbolic_tangent,
    "sigmoid": logistic,
    "softplus": softplus,
    "gelu": gelu,
    "identity": identity,
}
"""The activations by name."""
