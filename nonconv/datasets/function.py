"""Labels that a formula gives, with noise: function."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Dataset, Layers, Shape, Truth
from nonconv.data.values import LARGEST, Value
from nonconv.datasets.common import (
    STANDARD,
    HeldOut,
    High,
    Inputs,
    Low,
    Noise,
    NoiseLaw,
    add_noise,
    classify_noise,
    complain_unless_ordered,
    draw_features,
    uniform_moments,
)
from nonconv.numerics.arithmetic import Array, each
from nonconv.numerics.elementary import sin

FARTHEST = 1e6
"""The largest argument of the sine: `numerics.elementary` reduces arguments up to here without loss."""


class Function(NamedTuple):
    """A sine or a polynomial of the sum of uniform features, with label noise.

    x is uniform on [low, high]^inputs and s = x_1 + ... + x_inputs.
    sin: y = sin(frequency s) + noise e. polynomial: y = sum_k coefficients[k] s^k + noise e. e has mean 0 and variance 1.
    """

    inputs: Inputs = 1
    of: Annotated[Literal["sin", "polynomial"], Doc("the formula")] = "sin"
    frequency: Annotated[Value, Doc("of the sine, in radians")] = 1.0
    coefficients: Annotated[tuple[Value, ...], Len(1, 64), Doc("of the polynomial, from the constant term up")] = (
        0.0,
        0.0,
        1.0,
    )
    noise: Annotated[Noise, Doc("standard deviation of the noise")] = 0.1
    noise_law: NoiseLaw = "uniform"
    low: Low = 0.0
    high: High = 1.0
    held_out: HeldOut = 256


class FunctionConstants(NamedTuple):
    """What `sample` needs, as kernels read it: numbers and one array.

    width: high - low. sine: 1 for the sine, 0 for the polynomial. noise_law: its index into STANDARD.
    """

    low: float
    width: float
    sine: int
    frequency: float
    coefficients: Array
    noise: float
    noise_law: int


def check(h: Function) -> list[Complaint]:
    """Refuse values beyond double precision or the sine's exact range, and high <= low."""
    farthest, bound = h.inputs * max(abs(h.low), abs(h.high)), 0.0
    # Horner with magnitudes bounds the polynomial on the whole range of s.
    for coefficient in reversed(h.coefficients):
        bound = abs(coefficient) + farthest * bound
    if h.of == "polynomial" and not bound <= LARGEST:
        return [Complaint("coefficients", f"the polynomial must not reach beyond {LARGEST:g} on [low, high]^inputs")]
    if h.of == "sin" and abs(h.frequency) * farthest > FARTHEST:
        what = f"the argument of the sine must not reach beyond {FARTHEST:g} on [low, high]^inputs"
        return [Complaint("frequency", what, f"a number of at most {FARTHEST / farthest:g} either way")]
    return complain_unless_ordered(h.low, h.high)


def prepare(h: Function) -> FunctionConstants:
    """Return the constants of `sample`."""
    return FunctionConstants(
        low=float(h.low),
        width=float(h.high - h.low),
        sine=int(h.of == "sin"),
        frequency=float(h.frequency),
        coefficients=np.array(h.coefficients, dtype=np.float64),
        noise=float(h.noise),
        noise_law=STANDARD.index(h.noise_law),
    )


def sample(k: FunctionConstants, n: int, u: Array, x: Array, y: Array) -> None:
    """Write features x (inputs, n) and the label y (1, n) of n examples.

    u (inputs + 1, n): the last row is the noise's.
    """
    draw_features(k.low, k.width, n, u, x)
    s = np.empty(n)
    for i in each(n):
        s[i] = x[0, i]
    for j in range(1, x.shape[0]):
        for i in each(n):
            s[i] += x[j, i]
    if k.sine == 1:
        for i in each(n):
            y[0, i] = sin(k.frequency * s[i])
    else:
        horner(k.coefficients, n, s, y[0])
    add_noise(k.noise, k.noise_law, n, u[x.shape[0]], y[0])


def horner(coefficients: Array, n: int, s: Array, y: Array) -> None:
    """Write the polynomial of s (n,) with `coefficients` from the constant term up to y (n,), by Horner's rule."""
    for i in each(n):
        y[i] = 0.0
    for power in range(coefficients.shape[0] - 1, -1, -1):
        coefficient = coefficients[power]
        for i in each(n):
            y[i] = coefficient + s[i] * y[i]


def is_linear(h: Function) -> bool:
    """Return whether y is linear in x: of the formulas only a polynomial of degree 1 at most."""
    return h.of == "polynomial" and not any(h.coefficients[2:])


def truth(h: Function) -> Truth | None:
    """Return what is known of the examples: of labels that are linear in x."""
    if not is_linear(h):
        return None
    constant, slope = (*h.coefficients, 0.0)[:2]
    weight = np.full((1, h.inputs), float(slope))
    reach = np.full(h.inputs, (h.high - h.low) / 2.0)
    return Truth(weight, np.array([float(constant)]), *uniform_moments(h.low, h.high, h.inputs), float(h.noise) ** 2, reach)


FUNCTION = Dataset(
    name="function",
    parameters=Function,
    paper="regression of one smooth function",
    check=check,
    shape=lambda h: Shape(h.inputs, 1),
    constants=FunctionConstants,
    prepare=prepare,
    draws=lambda h: h.inputs + 1,
    sample=sample,
    label_noise=lambda h: classify_noise(h.noise, h.noise_law),
    source=lambda h: Layers((), "identity") if is_linear(h) else None,
    held_out=lambda h: h.held_out,
    truth=truth,
)
