"""Adamax, and its form with Nesterov's look-ahead."""

from dataclasses import replace
from typing import Annotated, NamedTuple

import numpy as np
from typing_extensions import Doc

from nonconv.components.definitions import CONSTANT_SIZE, Optimizer, Scaling
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.averages import Decaying, averages_of, decay_at, least, lengthens, most, settled
from nonconv.optimizers.dialects import Beta1, Eps, correction, without_eps
from nonconv.optimizers.nadam import look_ahead


class Adamax(NamedTuple):
    """Adamax: Adam whose denominator is a maximum of gradients that decays, instead of an average of their squares.

        m_n = beta1 m_{n-1} + (1 - beta1) g_n                            m_hat = m_n / (1 - beta1^n)
        u_n = max(beta2 u_{n-1}, |g_n| + eps)
        direction = m_hat / u_n
        nesterov: beta1 m_n / (1 - beta1^(n+1)) + (1 - beta1) g_n / (1 - beta1^n) instead of m_hat, as in Nadamax

    Where implementations differ: the paper has no eps; PyTorch and Optax have it as here, 1e-8, Keras adds it to u in the
    direction. None of them has nesterov: it is Dozat's look-ahead, as Optax has it in nadam.
    """

    beta1: Beta1 = 0.9
    beta2: Annotated[Decaying, Doc("decay of the maximum of gradients")] = 0.999
    eps: Eps = 1e-8
    nesterov: Annotated[bool, Doc("take the numerator one momentum step ahead")] = False


class AdamaxState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of gradients. u: decaying maximum of |g|.
    """

    m: Lanes
    u: Lanes


class AdamaxPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay1, weight1: of the average m. decay2: of the maximum u. ahead, now: the numerator is ahead m_n + now g_n.
    """

    decay1: Lanes
    weight1: Lanes
    decay2: Lanes
    ahead: Lanes
    now: Lanes
    eps: Lanes


def at_step(h: Adamax, n: Array) -> AdamaxPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    ahead, now = look_ahead(h.beta1, n) if h.nesterov else (correction(h.beta1, True, n), np.zeros_like(n))
    return AdamaxPerStep(*averages_of(h.beta1, n), decay_at(h.beta2, n), ahead, now, np.full_like(n, h.eps))


def update(c: AdamaxPerStep, s: AdamaxState, g: Lanes) -> tuple[Lanes, AdamaxState]:
    """Take one step; return the direction and the new state (Kingma & Ba, algorithm 2).

    c: the coefficients of this step. s: m and u before it. g: the batch's gradient, one number per lane.
    """
    m = c.decay1 * s.m + c.weight1 * g
    u = np.maximum(c.decay2 * s.u, np.abs(g) + c.eps)
    return (c.ahead * m + c.now * g) / u, AdamaxState(m, u)


def bounded_direction(h: Adamax) -> bool:
    """Return whether m forgets a large gradient before u does: then their quotient is bounded."""
    return bool(most(h.beta1) == 0 or most(h.beta1) < least(h.beta2))


def edge(h: Adamax) -> float | None:
    """Return the effective rate times curvature at which theta changes its sign without shrinking."""
    beta = settled(h.beta1)
    return None if beta is None else 2.0 * (1.0 + beta) / ((1.0 + (2.0 * beta if h.nesterov else 0.0)) * (1.0 - beta))


def stable_below(h: Adamax) -> float | None:
    """Return rate times curvature at which theta changes its sign without shrinking; eps alone divides near a minimum."""
    most = edge(h)
    return None if most is None or (h.eps == 0 and lengthens(h.beta2)) else most * h.eps


ADAMAX = Optimizer(
    name="adamax",
    parameters=Adamax,
    paper="Kingma & Ba (2015), arXiv:1412.6980, section 7.1",
    state=AdamaxState,
    per_step=AdamaxPerStep,
    at_step=at_step,
    update=update,
    relative_size=CONSTANT_SIZE,
    monotone=(),
    can_be_undefined=without_eps,
    bounded_direction=bounded_direction,
    denoises=lambda h: lengthens(h.beta1),
    stable_below=stable_below,
    scaling=Scaling(lambda c, s: 1.0 / s.u, edge),
)


class Nadamax(Adamax):
    """Nadamax: adamax with nesterov: true.

    Where implementations differ: PyTorch and Optax have none; it is to Adamax what Optax's nadam is to Adam.
    """


# A name for settings: what runs is adamax.
NADAMAX = replace(
    ADAMAX,
    name="nadamax",
    parameters=Nadamax,
    paper="Dozat (2016), Incorporating Nesterov momentum into Adam",
    defaults=(("nesterov", True),),
    form=lambda h: ADAMAX,
)
