"""Yogi."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers.averages import averages_of, forgets_before, lengthens, most
from nonconv.optimizers.dialects import Beta1, Eps, correction, stable_quotient


class Yogi(NamedTuple):
    """Yogi: Adam whose average of squares moves by at most a share of the newest square, up or down.

        m_n = beta1 m_{n-1} + (1 - beta1) g_n                            m_hat = m_n / (1 - beta1^n)
        v_n = v_{n-1} - (1 - beta2) sign(v_{n-1} - g_n^2) g_n^2          v_hat = v_n / (1 - beta2^n)
        direction = m_hat / (sqrt(v_hat) + eps)

    Where implementations differ: the paper's algorithm 2 has no correction and m_0 = 0; TensorFlow Addons and Optax correct,
    and start both m and v at 1e-6. eps is 1e-3 in all of them.
    """

    beta1: Beta1 = 0.9
    beta2: Annotated[float, Interval(ge=0, lt=1), Doc("1 - beta2 is the share of a square by which v moves")] = 0.999
    eps: Eps = 1e-3
    bias_correction: Annotated[bool, Doc("divide m by 1 - beta1^n and v by 1 - beta2^n")] = True
    initial_momentum: Annotated[float, Interval(ge=0), Doc("m_0, the average of gradients before the first step")] = 1e-6
    initial_accumulator: Annotated[float, Interval(ge=0), Doc("v_0, what squares are compared with first")] = 1e-6


class YogiState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of gradients. v: what follows their squares.
    """

    m: Lanes
    v: Lanes


class YogiPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay1, weight1: of the average m. weight2: 1 - beta2. correction1, correction2: factors of m and v, or 1.
    """

    decay1: Lanes
    weight1: Lanes
    weight2: Lanes
    correction1: Lanes
    correction2: Lanes
    eps: Lanes


def start(h: Yogi) -> YogiState:
    """Return the state before the first step."""
    return YogiState(float(h.initial_momentum), float(h.initial_accumulator))


def at_step(h: Yogi, n: Array) -> YogiPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    return YogiPerStep(
        *averages_of(h.beta1, n),
        np.full_like(n, 1.0 - h.beta2),
        correction(h.beta1, h.bias_correction, n),
        correction(h.beta2, h.bias_correction, n),
        np.full_like(n, h.eps),
    )


def update(c: YogiPerStep, s: YogiState, g: Lanes) -> tuple[Lanes, YogiState]:
    """Take one step; return the direction and the new state (Zaheer et al., algorithm 2).

    c: the coefficients of this step. s: m and v before it. g: the batch's gradient, one number per lane.
    """
    m, square = c.decay1 * s.m + c.weight1 * g, g * g
    # The last case is 0, or nan.
    v = s.v - c.weight2 * select(s.v > square, square, select(s.v < square, -square, s.v - square))
    return m * c.correction1 / (np.sqrt(v * c.correction2) + c.eps), YogiState(m, v)


def relative_size(h: Yogi, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit, for gradients of one size.

    v rises from 0 by 1 - beta2 of their square per step until it is as large.
    """
    v = np.minimum(n * (1.0 - h.beta2), 1.0)
    m = 1.0 if h.bias_correction else 1.0 / correction(h.beta1, True, n)
    return np.asarray(m / np.sqrt(v * correction(h.beta2, h.bias_correction, n)))


def can_be_undefined(h: Yogi) -> bool:
    """Return whether gradients of 0 give 0 / 0: they leave v as it is, and of m what it started from."""
    return bool(h.eps == 0 and h.initial_accumulator == 0 and (h.initial_momentum == 0 or most(h.beta1) == 0))


YOGI = Optimizer(
    name="yogi",
    parameters=Yogi,
    paper="Zaheer et al. (2018), Adaptive methods for nonconvex optimization",
    state=YogiState,
    start=start,
    per_step=YogiPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=can_be_undefined,
    # v is at least a share beta2 or 1 - beta2 of the newest square, and then falls by beta2 per step at most.
    bounded_direction=lambda h: bool(h.beta2 > 0 and forgets_before(h.beta1, h.beta2)),
    denoises=lambda h: lengthens(h.beta1),
    # Small gradients leave v as large as it was, which depends on the path: nothing is said of stability.
    squares=Squares("v", keeps=lambda h: h.beta2, divisor=lambda h: h.eps),
    shown=(Shown("m_hat", lambda c, s: s.m * c.correction1), Shown("v_hat", lambda c, s: s.v * c.correction2)),
    scaling=Scaling(
        lambda c, s: 1.0 / (np.sqrt(s.v * c.correction2) + c.eps), lambda h: stable_quotient(h.beta1, h.beta2, 1.0)
    ),
)
