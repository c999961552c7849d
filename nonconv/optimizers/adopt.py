"""ADOPT."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import UNKNOWN_SIZE, Optimizer, Scaling, Squares
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers.averages import averages_of, is_number, least, lengthens, remainder
from nonconv.optimizers.dialects import Beta1, Beta2, stable_quotient, without_eps


class Adopt(NamedTuple):
    """ADOPT: Adam that divides a gradient by the root of earlier squares alone, before it enters the average.

        v_1 = g_1^2; the first step does not move theta
        q_n = g_n / max(sqrt(v_{n-1}), eps)
        m_n = beta1 m_{n-1} + (1 - beta1) q_n, m_1 = 0
        clipping: q_n cut to [-(n-1)^(1/4), (n-1)^(1/4)] before
        v_n = beta2 v_{n-1} + (1 - beta2) g_n^2
        direction = m_n

    Where implementations differ: the paper and its authors' code had no clipping before November 2024 (version 3 of the
    paper), and have it since; Optax has it by default (use_clipping). The package pytorch_optimizer cuts to n^(1/4).
    """

    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.9999
    eps: Annotated[float, Interval(ge=0), Doc("what a root is at least")] = 1e-6
    clipping: Annotated[bool, Doc("cut quotients to the fourth root of the number of steps so far")] = True


class AdoptState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of quotients. v: running average of squared gradients.
    """

    m: Lanes
    v: Lanes


class AdoptPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay, weight: of the averages m and v. largest: what a quotient is cut to; 0 if it is not cut.
    """

    decay1: Lanes
    weight1: Lanes
    decay2: Lanes
    weight2: Lanes
    eps: Lanes
    largest: Lanes


def at_step(h: Adopt, n: Array) -> AdoptPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    first = n == 1.0
    (decay1, weight1), (decay2, weight2) = averages_of(h.beta1, n), averages_of(h.beta2, n)
    return AdoptPerStep(
        np.where(first, 1.0, decay1),
        np.where(first, 0.0, weight1),
        np.where(first, 0.0, decay2),
        np.where(first, 1.0, weight2),
        np.full_like(n, h.eps),
        np.power(n - 1.0, 0.25) if h.clipping else np.zeros_like(n),
    )


def update(c: AdoptPerStep, s: AdoptState, g: Lanes) -> tuple[Lanes, AdoptState]:
    """Take one step; return the direction and the new state (Taniguchi et al., algorithms 1 and 2).

    c: the coefficients of this step. s: m and v before it. g: the batch's gradient, one number per lane.
    """
    q = g / np.maximum(np.sqrt(s.v), c.eps)
    cut = select(c.largest > 0.0, np.minimum(np.maximum(q, -c.largest), c.largest), q)
    # At the first step there is nothing to divide by, and 0 times it need not be 0.
    m = select(c.weight1 > 0.0, c.decay1 * s.m + c.weight1 * cut, s.m)
    return m, AdoptState(m, c.decay2 * s.v + c.weight2 * (g * g))


def relative_size(h: Adopt, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit: m fills up from step 2 on."""
    first = float(remainder(h.beta1, np.ones(1))[0])
    if first == 0.0:
        return np.ones_like(n) if is_number(h.beta1) else UNKNOWN_SIZE(h, n)
    # That of step 1 is 0, which is said of none.
    return np.asarray(1.0 - remainder(h.beta1, np.maximum(n, 2.0)) / first)


ADOPT = Optimizer(
    name="adopt",
    parameters=Adopt,
    paper="Taniguchi et al. (2024), arXiv:2411.02853",
    state=AdoptState,
    per_step=AdoptPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=without_eps,
    # In a run of T steps a direction is at most T^(1/4) where quotients are cut.
    bounded_direction=lambda h: h.clipping,
    denoises=lambda h: lengthens(h.beta1),
    stable_below=lambda h: stable_quotient(h.beta1, h.beta2, h.eps),
    squares=Squares("v", keeps=lambda h: least(h.beta2), divisor=lambda h: h.eps),
    # What multiplies the next gradient, before it enters m.
    scaling=Scaling(lambda c, s: 1.0 / np.maximum(np.sqrt(s.v), c.eps), lambda h: stable_quotient(h.beta1, h.beta2, 1.0)),
)
