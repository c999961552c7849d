"""RAdam."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import NEVER, Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers.averages import averages_of, lengthens
from nonconv.optimizers.dialects import (
    Beta1,
    Eps,
    Placement,
    correction,
    epsilons,
    smallest_divisor,
    stable_quotient,
)

SHORTEST = 4.1
"""A length at which r is small and positive."""


class Radam(NamedTuple):
    """RAdam: Adam that divides only once v rests on enough gradients, and then by more than v_hat at first.

        m_n, v_n, m_hat, v_hat as in adam
        rho_n = rho - 2 n beta2^n / (1 - beta2^n), rho = 2 / (1 - beta2) - 1: the length of the average v
        r_n = sqrt((rho_n - 4) (rho_n - 2) rho / ((rho - 4) (rho - 2) rho_n))
        direction = r_n m_hat / (sqrt(v_hat) + eps)      where rho_n > threshold, with eps placed as in adam
        direction = m_hat                                elsewhere

    Where implementations differ: the paper's threshold is 4, without eps; its authors' code, PyTorch and Optax have 5. PyTorch
    adds eps to sqrt(v) before the correction, which is hat; Optax adds it after it, which is outside, and its eps_root is eps
    inside.
    """

    beta1: Beta1 = 0.9
    beta2: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average of squared gradients")] = 0.999
    eps: Eps = 1e-8
    eps_placement: Placement = "hat"
    threshold: Annotated[float, Interval(ge=4, le=16), Doc("rho_n must be above this for a division")] = 5.0


class RadamState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of gradients. v: running average of squared gradients.
    """

    m: Lanes
    v: Lanes


class RadamPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps: as Adam's, and r, which is 0 where nothing divides."""

    decay1: Lanes
    weight1: Lanes
    decay2: Lanes
    weight2: Lanes
    correction1: Lanes
    correction2: Lanes
    eps_inside: Lanes
    eps_outside: Lanes
    r: Lanes


def length(beta2: float) -> float:
    """Return rho: the length of the average v in the long run."""
    return 2.0 / (1.0 - beta2) - 1.0


def length_at(beta2: float, n: Array) -> Array:
    """Return rho_n at steps n (steps,)."""
    left = np.power(beta2, n)
    return np.asarray(length(beta2) - 2.0 * n * left / (1.0 - left))


def rectification(rho_n: Array, rho: float) -> Array:
    """Return r_n, (steps,); nan where rho_n (steps,) is below 4."""
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt((rho_n - 4.0) * (rho_n - 2.0) * rho / ((rho - 4.0) * (rho - 2.0) * rho_n)))


def at_step(h: Radam, n: Array) -> RadamPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    correction2, rho_n = correction(h.beta2, True, n), length_at(h.beta2, n)
    return RadamPerStep(
        *averages_of(h.beta1, n),
        *averages_of(h.beta2, n),
        correction(h.beta1, True, n),
        correction2,
        *epsilons(h.eps, h.eps_placement, correction2),
        np.where(rho_n > h.threshold, rectification(rho_n, length(h.beta2)), 0.0),
    )


def update(c: RadamPerStep, s: RadamState, g: Lanes) -> tuple[Lanes, RadamState]:
    """Take one step; return the direction and the new state (Liu et al., algorithm 2).

    c: the coefficients of this step. s: m and v before it. g: the batch's gradient, one number per lane.
    """
    m = c.decay1 * s.m + c.weight1 * g
    v = c.decay2 * s.v + c.weight2 * (g * g)
    m_hat = m * c.correction1
    divided = c.r * m_hat / (np.sqrt(v * c.correction2 + c.eps_inside) + c.eps_outside)
    # Both directions are computed and one is chosen: lanes take no branch.
    return select(c.r > 0.0, divided, m_hat), RadamState(m, v)


def divides(h: Radam) -> bool:
    """Return whether v ever rests on enough gradients."""
    return length(h.beta2) > h.threshold


def relative_size(h: Radam, n: Array) -> Array:
    """Return r_n at steps n (steps,), which tends to 1; of the first few, where nothing divides, a number below it."""
    if not divides(h):
        return np.ones_like(n)
    rho = length(h.beta2)
    return rectification(np.minimum(np.maximum(length_at(h.beta2, n), SHORTEST), rho), rho)


def factor(c: RadamPerStep, s: RadamState) -> Lanes:
    """Return what multiplies m_hat."""
    return select(c.r > 0.0, c.r / (np.sqrt(s.v * c.correction2 + c.eps_inside) + c.eps_outside), 1.0)


RADAM = Optimizer(
    name="radam",
    parameters=Radam,
    paper="Liu et al. (2020), arXiv:1908.03265",
    state=RadamState,
    per_step=RadamPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=lambda h: bool(h.eps == 0 and divides(h)),
    bounded_direction=NEVER,  # the first ones are gradients
    denoises=lambda h: lengthens(h.beta1),
    stable_below=lambda h: stable_quotient(h.beta1, h.beta2, smallest_divisor(h) if divides(h) else 1.0),
    squares=Squares("v", keeps=lambda h: h.beta2, divisor=lambda h: smallest_divisor(h) if divides(h) else 1.0),
    shown=(Shown("m_hat", lambda c, s: s.m * c.correction1), Shown("v_hat", lambda c, s: s.v * c.correction2)),
    scaling=Scaling(factor, lambda h: stable_quotient(h.beta1, h.beta2, 1.0)),
)
