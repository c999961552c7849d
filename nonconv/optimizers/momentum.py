"""Momentum: heavy ball, exponential moving average, and Nesterov's look-ahead of either."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import NEVER, UNKNOWN_SIZE, Complaint, Later, Optimizer, Scaling, Shown
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers.averages import Decaying, decay_at, is_number, lengthens, remainder, settled
from nonconv.optimizers.dialects import Start, averaging, complain_about_start, correction


class Momentum(NamedTuple):
    """Gradient descent with momentum: heavy ball (Polyak), moving average, or Nesterov.

        heavy_ball:  m_n = beta m_{n-1} + (1 - dampening) g_n          direction = m_n
        ema:         m_n = beta m_{n-1} + (1 - beta) g_n  direction = m_n / (1 - beta^n) if bias_correction, else m_n
        nesterov:    direction = beta m_n + w g_n, with w the weight of g_n in m_n

    Where implementations differ: PyTorch's SGD(momentum) and Optax's trace are heavy_ball, PyTorch's nesterov=True and
    Optax's nesterov=True are heavy_ball with nesterov. Optax's ema is ema, with debias=True as bias_correction. PyTorch's
    SGD starts its buffer at the first gradient, whatever the dampening: with it write start: first_gradient. Without
    dampening that is the same as starting at zero; with dampening = beta it is ema with start: first_gradient. An ema with
    rate g is a heavy ball with rate (1 - beta) g.
    """

    beta: Annotated[Decaying, Doc("decay of the momentum")] = 0.9
    form: Annotated[Literal["heavy_ball", "ema"], Doc("weight of a new gradient: 1 or 1 - beta")] = "heavy_ball"
    nesterov: Annotated[bool, Doc("take the direction one momentum step ahead")] = False
    bias_correction: Annotated[bool, Doc("divide an ema by 1 - beta^n")] = False
    start: Annotated[Start, Doc("m before the first step: zero, or such that m_1 = g_1")] = "zero"
    dampening: Annotated[
        float, Interval(ge=0, lt=1), Later(), Doc("a new gradient of a heavy ball has the weight 1 - dampening")
    ] = 0.0


class MomentumState(NamedTuple):
    """What the next step needs: m, the momentum, per coordinate and path."""

    m: Lanes


class MomentumPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay, weight: m_n = decay m_{n-1} + weight g_n. beta: what Nesterov's look-ahead multiplies m by. correction: the factor
    that makes an ema unbiased, or 1. nesterov: 1 or 0, a float since all fields share one table.
    """

    beta: Lanes
    decay: Lanes
    weight: Lanes
    correction: Lanes
    nesterov: Lanes


def check(h: Momentum) -> list[Complaint]:
    """Refuse bias correction of a heavy ball, with a look-ahead, or with a first-gradient start; and dampening elsewhere."""
    if h.dampening > 0 and h.form == "ema":
        return [Complaint("dampening", "an ema gives a new gradient the weight 1 - beta; dampening is that of a heavy ball")]
    if h.dampening > 0 and h.nesterov:
        return [Complaint("dampening", "is not defined together with nesterov: true")]
    if h.bias_correction and h.form == "heavy_ball":
        return [Complaint("bias_correction", "a heavy ball is not an average, so it has no bias to correct; use form: ema")]
    if h.bias_correction and h.nesterov:
        return [Complaint("bias_correction", "is not defined together with nesterov: true")]
    return complain_about_start(h)


def at_step(h: Momentum, n: Array) -> MomentumPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    beta, nesterov = decay_at(h.beta, n), np.full_like(n, float(h.nesterov))
    decay, weight = averaging(h.beta, h.start, n) if h.form == "ema" else (beta, np.full_like(n, 1.0 - h.dampening))
    # A heavy ball that starts at its first gradient has m_1 = g_1, as one without dampening that starts at 0.
    weight = np.where(n == 1.0, 1.0, weight) if h.start == "first_gradient" else weight
    return MomentumPerStep(beta, decay, weight, correction(h.beta, h.bias_correction, n), nesterov)


def update(c: MomentumPerStep, s: MomentumState, g: Lanes) -> tuple[Lanes, MomentumState]:
    """Take one step; return the direction and the new state.

    c: the coefficients of this step. s: m before it. g: the batch's gradient, one number per lane.
    """
    m = c.decay * s.m + c.weight * g
    # Both directions are computed and one is chosen: lanes take no branch.
    direction = select(c.nesterov > 0.0, c.beta * m + c.weight * g, m * c.correction)
    return direction, MomentumState(m)


def relative_size(h: Momentum, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit.

    It is 1 - beta^n while m fills up from 0, one step ahead of that with nesterov, and 1 for an unbiased ema.
    """
    if h.form == "ema" and (h.bias_correction or h.start == "first_gradient"):
        return np.ones_like(n)
    if not is_number(h.beta):
        return _size_of_schedule(h, n)
    filled = 1.0 / correction(h.beta, True, n + float(h.nesterov))
    if h.start == "first_gradient" and h.dampening > 0:
        # The first gradient has the weight 1 instead of 1 - dampening.
        filled = filled + np.power(h.beta, n - 1.0) * (1.0 - h.beta) * h.dampening / (1.0 - h.dampening)
    return np.asarray(filled)


def _size_of_schedule(h: Momentum, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit where beta is a schedule that changes slowly."""
    beta, limit = decay_at(h.beta, n), settled(h.beta)
    if limit is None and h.form == "heavy_ball":
        return UNKNOWN_SIZE(h, n)  # where beta tends to 1 it grows without end
    filled = 1.0 - remainder(h.beta, n) * (beta if h.nesterov else 1.0)
    return filled if limit is None or h.form == "ema" else filled * (1.0 - limit) / (1.0 - beta)


def stable_below(h: Momentum) -> float | None:
    """Return rate times curvature at which the slower of the two modes changes sign from step to step without shrinking."""
    beta = settled(h.beta)
    if beta is None:
        return None
    ahead = 2.0 * beta if h.nesterov else 0.0
    weight = 1.0 - h.dampening if h.form == "heavy_ball" else 1.0 - beta
    return 2.0 * (1.0 + beta) / ((1.0 + ahead) * weight)


MOMENTUM = Optimizer(
    name="momentum",
    parameters=Momentum,
    paper="Polyak (1964); Nesterov (1983); Sutskever et al. (2013)",
    check=check,
    state=MomentumState,
    per_step=MomentumPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=NEVER,
    bounded_direction=NEVER,
    denoises=lambda h: lengthens(h.beta),
    stable_below=stable_below,
    shown=(Shown("m_hat", lambda c, s: s.m * c.correction),),
    scaling=Scaling(lambda c, s: 1.0, stable_below),
)
