"""RMSprop, plain, centered and with momentum."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Later, Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers import momentum
from nonconv.optimizers.averages import Decaying, decay_at, least, most
from nonconv.optimizers.dialects import (
    Beta2,
    Eps,
    Placement,
    Start,
    averaging,
    complain_about_start,
    correction,
    epsilons,
    size_of_quotient,
    smallest_divisor,
    stable_quotient,
)


class Rmsprop(NamedTuple):
    """RMSprop: each coordinate is divided by the root of a running average of its squared gradients.

        v_n = beta2 v_{n-1} + (1 - beta2) g_n^2
        direction = g_n / (sqrt(v_n) + eps)        eps_placement: outside
        direction = g_n / sqrt(v_n + eps)          eps_placement: inside
        centered: v_n - a_n^2 instead of v_n, with a_n = beta2 a_{n-1} + (1 - beta2) g_n
        momentum: b_n = momentum b_{n-1} + direction, which is the direction then
        rate_in_buffer: b_n = momentum b_{n-1} + rate_n direction, by which theta moves

    With bias_correction v_n and a_n are divided by 1 - beta2^n first; this is Adam with beta1 = 0. Without it, hat is outside.

    Where implementations differ: PyTorch has eps outside, no correction, calls beta2 alpha (0.99), and multiplies by the rate
    what leaves the buffer; Optax has eps inside by default (eps_in_sqrt), calls beta2 decay (0.9) and v_0 initial_scale,
    offers bias_correction, and has the rate in the buffer. TensorFlow 1 has v_0 = 1, eps inside and the rate in the buffer;
    Keras, from TensorFlow 2 on, has v_0 = 0. arXiv:2407.08100's authors put eps inside in their public code. Where rounding
    makes v - a^2 negative it is 0 here, and nan elsewhere. A step with rate 0 moves nothing here, also where the buffer holds
    earlier rates.
    """

    beta2: Beta2 = 0.99
    eps: Eps = 1e-8
    eps_placement: Placement = "outside"
    bias_correction: Annotated[bool, Doc("divide v by 1 - beta2^n")] = False
    start: Annotated[Start, Doc("v before the first step: zero, or such that v_1 = g_1^2")] = "zero"
    initial_accumulator: Annotated[float, Interval(ge=0), Later(), Doc("v_0, the average of squares before the first step")] = (
        0.0
    )
    centered: Annotated[bool, Later(), Doc("divide by deviations from the running average of gradients")] = False
    momentum: Annotated[Decaying, Later(), Doc("decay of the buffer that directions are added to; 0 is none")] = 0.0
    rate_in_buffer: Annotated[bool, Later(), Doc("multiply by the learning rate before a direction enters the buffer")] = False


class RmspropState(NamedTuple):
    """What the next step needs: v, the running average of squared gradients, per coordinate and path."""

    v: Lanes


class RmspropPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay2, weight2: v_n = decay2 v_{n-1} + weight2 g_n^2. correction2: the factor that makes v unbiased, or 1.
    eps_inside, eps_outside: eps with respect to the root; one of them is 0.
    """

    decay2: Lanes
    weight2: Lanes
    correction2: Lanes
    eps_inside: Lanes
    eps_outside: Lanes


def check(h: Rmsprop) -> list[Complaint]:
    """Refuse two starts at once, a buffer's rate without a buffer, and deviations that are 0 at step 1."""
    if h.initial_accumulator > 0 and h.start == "first_gradient":
        return [Complaint("initial_accumulator", "start: first_gradient already says what v starts from")]
    if h.centered and h.start == "first_gradient":
        return [Complaint("centered", "with start: first_gradient nothing deviates at step 1; use start: zero")]
    if h.centered and h.bias_correction and h.eps == 0:
        return [Complaint("eps", "with bias correction nothing deviates at step 1, so eps must keep the denominator from 0")]
    if h.rate_in_buffer and most(h.momentum) == 0:
        return [Complaint("rate_in_buffer", "there is no buffer without momentum")]
    return complain_about_start(h)


def start(h: Rmsprop) -> RmspropState:
    """Return the state before the first step: v is `initial_accumulator`."""
    return RmspropState(float(h.initial_accumulator))


def at_step(h: Rmsprop, n: Array) -> RmspropPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    correction2 = correction(h.beta2, h.bias_correction, n)
    return RmspropPerStep(*averaging(h.beta2, h.start, n), correction2, *epsilons(h.eps, h.eps_placement, correction2))


def update(c: RmspropPerStep, s: RmspropState, g: Lanes) -> tuple[Lanes, RmspropState]:
    """Take one step; return the direction and the new state (Tieleman & Hinton 2012).

    c: the coefficients of this step. s: v before it. g: the batch's gradient, one number per lane.
    """
    v = c.decay2 * s.v + c.weight2 * (g * g)
    # One formula for every eps_placement: the eps that is not used is 0, and adding 0 is exact.
    return g / (np.sqrt(v * c.correction2 + c.eps_inside) + c.eps_outside), RmspropState(v)


class BufferedState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    v: running average of squared gradients. a: running average of gradients. b: the buffer of directions.
    """

    v: Lanes
    a: Lanes
    b: Lanes


class BufferedPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps: as RmspropPerStep, and more.

    centered: 1 or 0. decay_b: decay of the buffer. enter: what a direction is multiplied by as it enters the buffer, the rate
    or 1. leave: what the buffer is multiplied by as it leaves, 1 / rate or 1.
    """

    decay2: Lanes
    weight2: Lanes
    correction2: Lanes
    eps_inside: Lanes
    eps_outside: Lanes
    centered: Lanes
    decay_b: Lanes
    enter: Lanes
    leave: Lanes


def buffered_start(h: Rmsprop) -> BufferedState:
    """Return the state before the first step: v is `initial_accumulator`, the others are 0."""
    return BufferedState(float(h.initial_accumulator), 0.0, 0.0)


def buffered_at_rate(h: Rmsprop, n: Array, rate: Array) -> BufferedPerStep:
    """Tabulate the coefficients of steps n (steps,) at these learning rates (steps,)."""
    one, decay_b = np.ones_like(n), decay_at(h.momentum, n)
    enter, leave = (rate, inverse(rate)) if h.rate_in_buffer else (one, one)
    return BufferedPerStep(*at_step(h, n), np.full_like(n, float(h.centered)), decay_b, enter, leave)


def inverse(rate: Array) -> Array:
    """Return 1 / rate, (steps,); 0 where that is infinite, for at rate 0 nothing moves."""
    with np.errstate(divide="ignore", over="ignore"):
        found = 1.0 / rate
    return np.where(np.isfinite(found), found, 0.0)


def buffered_update(c: BufferedPerStep, s: BufferedState, g: Lanes) -> tuple[Lanes, BufferedState]:
    """Take one step; return the direction and the new state (Graves 2013, arXiv:1308.0850, equations 38 to 45).

    c: the coefficients of this step. s: v, a and b before it. g: the batch's gradient, one number per lane.
    """
    v, a = c.decay2 * s.v + c.weight2 * (g * g), c.decay2 * s.a + c.weight2 * g
    mean = c.centered * a * c.correction2
    # While all gradients were equal the difference is a rounding error, of either sign.
    root = np.sqrt(np.maximum(v * c.correction2 - mean * mean, 0.0) + c.eps_inside)
    b = c.decay_b * s.b + c.enter * (g / (root + c.eps_outside))
    return b * c.leave, BufferedState(v, a, b)


def relative_size(h: Rmsprop, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit: while v and the buffer fill up it is another one.

    Centered, this is the size for gradients whose mean is small beside their noise.
    """
    size = size_of_quotient(0.0, h.beta2, h.bias_correction or h.start == "first_gradient", n)
    return size * momentum.relative_size(momentum.Momentum(h.momentum), n)


def stable_below(h: Rmsprop) -> float | None:
    """Return Adam's without average, times how much more a buffer can take, which is a heavy ball."""
    quotient, ball = stable_quotient(0.0, h.beta2, smallest_divisor(h)), momentum.stable_below(momentum.Momentum(h.momentum))
    return None if quotient is None or ball is None else quotient * ball / 2.0


def can_be_undefined(h: Rmsprop) -> bool:
    """Return whether gradients of 0 give 0 / 0: neither eps nor v_0 keeps the denominator from 0."""
    return bool(h.eps == 0 and (h.initial_accumulator == 0 or most(h.beta2) == 0))


def bounded_direction(h: Rmsprop) -> bool:
    """Return whether there is a bound: not for deviations, nor where the weight of a new square tends to 0."""
    return bool(not h.centered and most(h.beta2) < 1.0)


def edge(h: Rmsprop) -> float | None:
    """Return the effective rate times curvature from which on a minimum is not stable: that of a heavy ball."""
    return momentum.stable_below(momentum.Momentum(h.momentum))


def buffered_factor(c: BufferedPerStep, s: BufferedState) -> Lanes:
    """Return what multiplies a gradient before it enters the buffer."""
    mean = c.centered * s.a * c.correction2
    return 1.0 / (np.sqrt(np.maximum(s.v * c.correction2 - mean * mean, 0.0) + c.eps_inside) + c.eps_outside)


BUFFERED = Optimizer(
    name="rmsprop",
    parameters=Rmsprop,
    paper="Graves (2013), arXiv:1308.0850",
    check=check,
    state=BufferedState,
    start=buffered_start,
    per_step=BufferedPerStep,
    at_rate=buffered_at_rate,
    update=buffered_update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=can_be_undefined,
    bounded_direction=bounded_direction,
    stable_below=stable_below,
    squares=Squares("v", keeps=lambda h: least(h.beta2), divisor=smallest_divisor),
    shown=(Shown("v_hat", lambda c, s: s.v * c.correction2), Shown("a_hat", lambda c, s: s.a * c.correction2)),
    scaling=Scaling(buffered_factor, edge),
)
RMSPROP = Optimizer(
    name="rmsprop",
    parameters=Rmsprop,
    paper="Tieleman & Hinton (2012), lecture 6.5; Graves (2013), arXiv:1308.0850",
    check=check,
    state=RmspropState,
    start=start,
    per_step=RmspropPerStep,
    at_step=at_step,
    update=update,
    # Most runs have neither, and do not pay for them.
    form=lambda h: BUFFERED if h.centered or most(h.momentum) > 0 else None,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=can_be_undefined,
    bounded_direction=bounded_direction,
    stable_below=stable_below,
    squares=Squares("v", keeps=lambda h: least(h.beta2), divisor=smallest_divisor),
    shown=(Shown("v_hat", lambda c, s: s.v * c.correction2),),
    scaling=Scaling(lambda c, s: 1.0 / (np.sqrt(s.v * c.correction2 + c.eps_inside) + c.eps_outside), edge),
)
