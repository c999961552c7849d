"""NAdam."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Chosen, Decay, Limits, Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.averages import (
    Beta,
    averages_of,
    decay_at,
    forgets_before,
    least,
    lengthens,
    limits_of,
    remainder,
    settled,
)
from nonconv.optimizers.dialects import (
    Beta1,
    Beta2,
    Eps,
    InOrOut,
    correction,
    epsilons,
    size_of_quotient,
    smallest_divisor,
    without_eps,
)


class Nadam(NamedTuple):
    """NAdam: Adam whose numerator is one momentum step ahead, as Nesterov's.

        m_n, v_n, v_hat as in adam; M_n = mu_1 mu_2 ... mu_n
        mu_n = beta1 (1 - 0.96^(n momentum_decay) / 2)       momentum_schedule: dozat
        mu_n = beta1                                         momentum_schedule: constant
        numerator = mu_{n+1} m_n / (1 - M_{n+1}) + (1 - mu_n) g_n / (1 - M_n)
        direction = numerator / (sqrt(v_hat) + eps)          eps_placement: outside
        direction = numerator / sqrt(v_hat + eps)            eps_placement: inside

    Where implementations differ: PyTorch is dozat with eps outside; it keeps M in its default type, which is single precision
    unless set otherwise. Keras has its mu, with 0.96^(0.004 n), in the average m as well. Optax's nadam, adam with
    nesterov=True, is constant; its eps_root is eps inside. Dozat's algorithm 2 also multiplies v_hat by beta2, which none of
    them does.
    """

    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Eps = 1e-8
    eps_placement: InOrOut = "outside"
    momentum_schedule: Annotated[Literal["dozat", "constant"], Doc("whether mu warms up from beta1 / 2, or is beta1")] = "dozat"
    momentum_decay: Annotated[float, Interval(ge=0), Doc("how fast mu warms up with dozat")] = 0.004


class NadamState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of gradients. v: running average of squared gradients.
    """

    m: Lanes
    v: Lanes


class NadamPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay, weight: of the averages m and v. ahead, now: the numerator is ahead m_n + now g_n. correction2: the factor that makes
    v unbiased. eps_inside, eps_outside: eps with respect to the root; one of them is 0.
    """

    decay1: Lanes
    weight1: Lanes
    decay2: Lanes
    weight2: Lanes
    ahead: Lanes
    now: Lanes
    correction2: Lanes
    eps_inside: Lanes
    eps_outside: Lanes


class _WarmingUp(NamedTuple):
    """The parameters of mu."""

    beta1: Beta
    momentum_decay: float


def _share(h: _WarmingUp, n: Array) -> Array:
    """Return mu / beta1 at steps n (steps,)."""
    return 1.0 - 0.5 * np.power(0.96, n * h.momentum_decay)


def _mu_limits(h: _WarmingUp) -> Limits:
    """Return the limits of mu: those of beta1, or half of them where it never warms up."""
    low, high = limits_of(h.beta1)
    share = 1.0 if h.momentum_decay > 0 else 0.5
    return Limits(share * low, share * high)


DOZAT = Decay(
    name="dozat",
    parameters=_WarmingUp,
    paper="Dozat (2016)",
    value=lambda h, n: decay_at(h.beta1, n) * _share(h, n),
    limits=_mu_limits,
)
"""mu as a decay, whose products are then formed as those of any other."""


def mu_of(h: Nadam) -> Beta:
    """Return mu as a decay."""
    return h.beta1 if h.momentum_schedule == "constant" else Chosen(DOZAT, _WarmingUp(h.beta1, h.momentum_decay))


def look_ahead(mu: Beta, n: Array) -> tuple[Array, Array]:
    """Return the weights of m_n and of g_n in the numerator of steps n (steps,)."""
    ahead = decay_at(mu, n + 1.0) / (1.0 - remainder(mu, n + 1.0))
    return ahead, (1.0 - decay_at(mu, n)) / (1.0 - remainder(mu, n))


def at_step(h: Nadam, n: Array) -> NadamPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    correction2 = correction(h.beta2, True, n)
    return NadamPerStep(
        *averages_of(h.beta1, n),
        *averages_of(h.beta2, n),
        *look_ahead(mu_of(h), n),
        correction2,
        *epsilons(h.eps, h.eps_placement, correction2),
    )


def update(c: NadamPerStep, s: NadamState, g: Lanes) -> tuple[Lanes, NadamState]:
    """Take one step; return the direction and the new state (Dozat 2016, algorithm 2).

    c: the coefficients of this step. s: m and v before it. g: the batch's gradient, one number per lane.
    """
    m = c.decay1 * s.m + c.weight1 * g
    v = c.decay2 * s.v + c.weight2 * (g * g)
    root = np.sqrt(v * c.correction2 + c.eps_inside)
    return (c.ahead * m + c.now * g) / (root + c.eps_outside), NadamState(m, v)


def relative_size(h: Nadam, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit: m has no correction of its own."""
    ahead, now = look_ahead(mu_of(h), n)
    return ahead * size_of_quotient(h.beta1, 0.0, False, n) + now


def edge(h: Nadam) -> float | None:
    """Return Adam's for a numerator that is ahead: effective rate times curvature at which it makes theta change its sign."""
    beta, mu = settled(h.beta1), settled(mu_of(h))
    return None if beta is None or mu is None else 2.0 * (1.0 + beta) / (1.0 + beta - 2.0 * beta * mu)


def stable_below(h: Nadam) -> float | None:
    """Return the edge times what alone divides near a minimum."""
    most = edge(h)
    return None if most is None or (h.eps == 0 and lengthens(h.beta2)) else most * smallest_divisor(h)


NADAM = Optimizer(
    name="nadam",
    parameters=Nadam,
    paper="Dozat (2016), Incorporating Nesterov momentum into Adam",
    state=NadamState,
    per_step=NadamPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=without_eps,
    bounded_direction=lambda h: forgets_before(h.beta1, h.beta2),
    denoises=lambda h: lengthens(h.beta1),
    stable_below=stable_below,
    squares=Squares("v", keeps=lambda h: least(h.beta2), divisor=smallest_divisor),
    shown=(Shown("v_hat", lambda c, s: s.v * c.correction2),),
    scaling=Scaling(lambda c, s: 1.0 / (np.sqrt(s.v * c.correction2 + c.eps_inside) + c.eps_outside), edge),
)
