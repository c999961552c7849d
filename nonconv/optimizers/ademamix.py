"""AdEMAMix."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Chosen, Complaint, Decay, Limits, Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.averages import Beta, averages_of, forgets_before, least, lengthens
from nonconv.optimizers.dialects import Beta2, Eps, correction, size_of_quotient, without_eps


class Ademamix(NamedTuple):
    """AdEMAMix: Adam whose numerator also has alpha times a second, far longer average of gradients.

        m_n, v_n, m_hat, v_hat as in adam
        s_n = beta3_n s_{n-1} + (1 - beta3_n) g_n, without correction
        direction = (m_hat + alpha_n s_n) / (sqrt(v_hat) + eps)
        alpha_n = alpha min(1, n / warmup_alpha)
        1 / log beta3_n goes linearly from 1 / log beta1 to 1 / log beta3 in warmup_beta3 steps: so does the half-life

    Where implementations differ: alpha is 5 in the paper and in Optax, which has no warm-ups of its own, though alpha and b3
    may be schedules of n - 1. The authors' code has alpha 2 and adds 1e-8 to the betas of the warm-up; the package
    pytorch_optimizer has one length for both warm-ups, as the paper's equations have.
    """

    beta1: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average of gradients")] = 0.9
    beta2: Beta2 = 0.999
    beta3: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the long average of gradients")] = 0.9999
    alpha: Annotated[float, Interval(ge=0), Doc("weight of the long average")] = 5.0
    eps: Eps = 1e-8
    warmup_alpha: Annotated[int, Interval(ge=0), Doc("steps over which alpha rises from 0; 0 for none")] = 0
    warmup_beta3: Annotated[int, Interval(ge=0), Doc("steps over which beta3 rises from beta1; 0 for none")] = 0


class AdemamixState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of gradients. s: the long one. v: running average of squared gradients.
    """

    m: Lanes
    s: Lanes
    v: Lanes


class AdemamixPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay, weight: of the averages m, v and s. correction1, correction2: factors that make m and v unbiased.
    """

    decay1: Lanes
    weight1: Lanes
    decay2: Lanes
    weight2: Lanes
    decay3: Lanes
    weight3: Lanes
    correction1: Lanes
    correction2: Lanes
    alpha: Lanes
    eps: Lanes


class _WarmingUp(NamedTuple):
    """The parameters of beta3 while it warms up."""

    first: float
    last: float
    steps: int


def _warming_up(h: _WarmingUp, n: Array) -> Array:
    """Return beta3 at steps n (steps,)."""
    share = np.minimum(n / h.steps, 1.0)
    first, last = np.log(h.first), np.log(h.last)
    value = np.exp(first * last / ((1.0 - share) * last + share * first))
    return np.where(n < h.steps, np.minimum(value, h.last), h.last)


WARMING_UP = Decay(
    name="warming_up",
    parameters=_WarmingUp,
    paper="Pagliardini et al. (2024), section 3",
    value=_warming_up,
    limits=lambda h: Limits(h.last, h.last),
    least=lambda h: h.first,
    most=lambda h: h.last,
)
"""beta3 as a decay, whose products are then formed as those of any other."""


def check(h: Ademamix) -> list[Complaint]:
    """Refuse a warm-up of beta3 that would start at 0, or above its end."""
    if h.warmup_beta3 and not 0 < h.beta1 <= h.beta3:
        return [Complaint("warmup_beta3", "beta3 rises from beta1, which must be above 0 and at most beta3")]
    return []


def beta3_of(h: Ademamix) -> Beta:
    """Return beta3 as a decay."""
    return Chosen(WARMING_UP, _WarmingUp(h.beta1, h.beta3, h.warmup_beta3)) if h.warmup_beta3 else h.beta3


def alpha_at(h: Ademamix, n: Array) -> Array:
    """Return alpha at steps n (steps,)."""
    return h.alpha * np.minimum(n / h.warmup_alpha, 1.0) if h.warmup_alpha else np.full_like(n, h.alpha)


def at_step(h: Ademamix, n: Array) -> AdemamixPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    return AdemamixPerStep(
        *averages_of(h.beta1, n),
        *averages_of(h.beta2, n),
        *averages_of(beta3_of(h), n),
        correction(h.beta1, True, n),
        correction(h.beta2, True, n),
        alpha_at(h, n),
        np.full_like(n, h.eps),
    )


def update(c: AdemamixPerStep, s: AdemamixState, g: Lanes) -> tuple[Lanes, AdemamixState]:
    """Take one step; return the direction and the new state (Pagliardini et al., algorithm 1).

    c: the coefficients of this step. s: m, s and v before it. g: the batch's gradient, one number per lane.
    """
    m, long = c.decay1 * s.m + c.weight1 * g, c.decay3 * s.s + c.weight3 * g
    v = c.decay2 * s.v + c.weight2 * (g * g)
    direction = (m * c.correction1 + c.alpha * long) / (np.sqrt(v * c.correction2) + c.eps)
    return direction, AdemamixState(m, long, v)


def relative_size(h: Ademamix, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit: the long average fills up, and alpha rises."""
    filled = size_of_quotient(beta3_of(h), 0.0, False, n)
    return np.asarray((1.0 + alpha_at(h, n) * filled) / (1.0 + h.alpha))


def stable_below(h: Ademamix) -> float | None:
    """Return the edge times eps, which alone divides near a minimum."""
    if h.alpha > 0 and h.eps == 0 and lengthens(h.beta2):
        return None
    most = edge(h)
    return None if most is None else most * h.eps


def edge(h: Ademamix) -> float | None:
    """Return the effective rate times curvature where theta changes its sign without shrinking; None if it may leave before.

    At a change of sign per step an average with decay b answers with (1 - b) / (1 + b) of the gradient.
    """
    answer = sum(w * (1.0 - b) / (1.0 + b) for w, b in ((1.0, h.beta1), (h.alpha, h.beta3)))
    most = 2.0 / answer
    return most if _largest_root(h, 0.999 * most) < 1.0 else None


def _largest_root(h: Ademamix, product: float) -> float:
    """Return by what theta grows per step in the long run, where rate times curvature over eps is `product`.

    The roots of (z - 1) (z - b1) (z - b3) + product z ((1 - b1) (z - b3) + alpha (1 - b3) (z - b1)).
    """
    b1, b3 = h.beta1, h.beta3
    plain = np.poly([1.0, b1, b3])
    pulled = np.polyadd((1.0 - b1) * np.array([1.0, -b3, 0.0]), h.alpha * (1.0 - b3) * np.array([1.0, -b1, 0.0]))
    return float(np.abs(np.roots(np.polyadd(plain, product * pulled))).max())


ADEMAMIX = Optimizer(
    name="ademamix",
    parameters=Ademamix,
    paper="Pagliardini, Ablin & Grangier (2024), arXiv:2409.03137",
    check=check,
    state=AdemamixState,
    per_step=AdemamixPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=without_eps,
    bounded_direction=lambda h: forgets_before(max(h.beta1, h.beta3), h.beta2),
    stable_below=stable_below,
    squares=Squares("v", keeps=lambda h: least(h.beta2), divisor=lambda h: h.eps),
    shown=(Shown("m_hat", lambda c, s: s.m * c.correction1), Shown("v_hat", lambda c, s: s.v * c.correction2)),
    scaling=Scaling(lambda c, s: 1.0 / (np.sqrt(s.v * c.correction2) + c.eps), edge),
)
