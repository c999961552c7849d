"""Powers of |theta|: flat at their minimum above 2, infinitely curved there below 2."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Law, Objective, OneOf
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.numerics.elementary import exp, log

BITS = 6
"""Binary digits of whole powers, so that exponents are below 2^BITS + 1."""


class Power(NamedTuple):
    """A power with noise: E of the sum over coordinates of |theta_j|^k / k - X_j theta_j, where k is the exponent.

    The gradient of one sample is sign(theta_j) |theta_j|^(k-1) - X_j. The minimizer is sign(m) |m|^(1/(k-1)) with m = E X_j.
    k = 2 is the half square around X, k = 4 the quartic. At a minimum at 0 the curvature is 0 for k > 2, so that iterates
    approach it slower than by any factor per step, and infinite for k < 2, so that no constant rate is small enough there.
    """

    data: Annotated[Any, OneOf("data"), Doc("the law of X, the noise of the gradient; coordinates are independent")]
    exponent: Annotated[float, Interval(gt=1, le=64), Doc("the power k")] = 4.0
    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1


class PowerConstants(NamedTuple):
    """The exponent k, and how |theta|^(k-1) is made: shape (dim, ...), of one coordinate inside the engine.

    k - 1 = whole + half / 2 + rest, with half 0 or 1 and 0 <= rest < 1/2. bits (dim, BITS): those of whole, the lowest first.
    """

    exponent: Lanes
    bits: Lanes
    half: Lanes
    rest: Lanes


def prepare(h: Power, dim: int) -> PowerConstants:
    """Return the constants of all coordinates, with a leading axis (dim,)."""
    whole, rest = divmod(h.exponent - 1.0, 1.0)
    half, rest = divmod(rest, 0.5)
    bits = [float(int(whole) >> k & 1) for k in range(BITS)]
    return PowerConstants(np.full(dim, h.exponent), np.tile(bits, (dim, 1)), np.full(dim, half), np.full(dim, rest))


def power(k: PowerConstants, a: Lanes) -> Lanes:
    """Return a^(k-1) for a >= 0: by products where k is whole, with one root where 2k is, else to about |log a| ulp.

    No factor is further from 1 than the result, so that only a result that is too large overflows.
    """
    a2 = a * a
    a4 = a2 * a2
    a8 = a4 * a4
    a16 = a8 * a8
    a32 = a16 * a16
    low = select(k.bits[0] > 0.0, a, 1.0) * select(k.bits[1] > 0.0, a2, 1.0) * select(k.bits[2] > 0.0, a4, 1.0)
    high = select(k.bits[3] > 0.0, a8, 1.0) * select(k.bits[4] > 0.0, a16, 1.0) * select(k.bits[5] > 0.0, a32, 1.0)
    root = select(k.half > 0.0, np.sqrt(a), 1.0)
    # log(0) is -inf, and 0 (-inf) not a number.
    rest = select((k.rest > 0.0) & (a > 0.0), exp(k.rest * log(a)), 1.0)
    return select(a > 0.0, low * high * root * rest, a)


def loss(k: PowerConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return |theta|^k / k - x theta of one coordinate and one sample."""
    a = np.abs(theta)
    # a is taken out: neither a^k, which is then divided by k, nor x theta overflows before the loss does.
    return a * (power(k, a) / k.exponent - select(theta < 0.0, -x, x))


def gradient(k: PowerConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return sign(theta) |theta|^(k-1) - x, the derivative of `loss` by theta."""
    return np.copysign(power(k, np.abs(theta)), theta) - x


def curvature(k: PowerConstants, theta: Lanes, x: Lanes) -> Lanes:
    """Return (k-1) |theta|^(k-2), the derivative of `gradient` by theta; infinite at 0 for k < 2."""
    return (k.exponent - 1.0) * np.abs(theta) ** (k.exponent - 2.0)


def minimizer(h: Power, law: Law) -> Array:
    """Return sign(m) |m|^(1/(k-1)) with m = E X, shape (dim,)."""
    return np.asarray(np.copysign(np.abs(law.mean) ** (1.0 / (h.exponent - 1.0)), law.mean))


POWER = Objective(
    name="power",
    parameters=Power,
    paper="docs/objectives.md",
    constants=PowerConstants,
    prepare=prepare,
    loss=loss,
    gradient=gradient,
    curvature=curvature,
    minimizer=minimizer,
    mean_is_enough=True,
)
