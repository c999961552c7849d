"""Schedule-free SGD and AdamW: gradients are taken between an iterate that moves and its average."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import CONSTANT_SIZE, NEVER, Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers.averages import averages_of, least, most
from nonconv.optimizers.dialects import Beta2, Eps, correction, stable_quotient, without_eps
from nonconv.optimizers.rmsprop import inverse

Interpolation = Annotated[float, Interval(ge=0, lt=1), Doc("gradients are taken at the average x for 1, at z for 0")]
Power = Annotated[float, Interval(ge=0, le=16), Doc("an iterate weighs this power of the largest learning rate so far")]
StepPower = Annotated[float, Interval(ge=0, le=16), Doc("r: an iterate also weighs this power of its step")]


class ScheduleFreeSgd(NamedTuple):
    """Schedule-free SGD: SGD on z, with gradients at y, a mean of z and of its running average x.

        y_n = (1 - beta) z_n + beta x_n, which is theta here: g_{n+1} is the gradient there
        z_{n+1} = z_n - rate_{n+1} g_{n+1}
        x_{n+1} = (1 - c) x_n + c z_{n+1}, c = w_{n+1} / (w_1 + ... + w_{n+1})
        w_n = n^r (largest rate so far)^weight_lr_power

    The paper evaluates x, which `iterates` calls average. Weight decay is that of y, added to its gradient.

    Where implementations differ: the package schedulefree and Optax have weight_lr_power 2, which weighs a warm-up little; the
    paper's algorithm 1 weighs all alike, which is the same at a constant rate. Optax has no r, and takes the rate of step n + 1
    for the weight of step n. A step with rate 0 moves nothing here; there it moves y, though not z.
    """

    beta: Interpolation = 0.9
    weight_lr_power: Power = 2.0
    r: StepPower = 0.0


class ScheduleFreeSgdState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    d: z - x. total: the sum of weights. largest: the largest power of a rate so far. The last two are the same for all paths.
    """

    d: Lanes
    total: Lanes
    largest: Lanes


class ScheduleFreeSgdPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    beta: as in the parameters. rate, inverse: the learning rate, and 1 / rate or 0. power: the weight that the rate gives.
    weight: n^r, or 0 at rate 0.
    """

    beta: Lanes
    rate: Lanes
    inverse: Lanes
    power: Lanes
    weight: Lanes


def sgd_at_rate(h: "ScheduleFreeSgd | ScheduleFreeAdamw", n: Array, rate: Array) -> ScheduleFreeSgdPerStep:
    """Tabulate the coefficients of steps n (steps,) at these learning rates (steps,)."""
    beta1 = h.beta if isinstance(h, ScheduleFreeSgd) else h.beta1
    weight = np.where(rate > 0.0, np.power(n, h.r), 0.0)
    return ScheduleFreeSgdPerStep(np.full_like(n, beta1), rate, inverse(rate), np.power(rate, h.weight_lr_power), weight)


def sgd_update(
    c: ScheduleFreeSgdPerStep, s: ScheduleFreeSgdState, g: Lanes, pull: Lanes = 0.0
) -> tuple[Lanes, ScheduleFreeSgdState]:
    """Take one step; return the direction of y and the new state (Defazio et al., algorithm 1).

    c: the coefficients of this step. s: what is kept. g: the batch's gradient, one number per lane. pull: weight decay of y.
    """
    q = g + pull
    largest = np.maximum(s.largest, c.power)
    weight = c.weight * largest
    total = s.total + weight
    share = select(total > 0.0, weight / total, 0.0)
    # z moves by -rate q, and x by a share of where z is then from it; y is their mean.
    direction = (1.0 - c.beta + c.beta * share) * q - c.beta * share * s.d * c.inverse
    return direction, ScheduleFreeSgdState((1.0 - share) * (s.d - c.rate * q), total, largest)


def sgd_own(c: ScheduleFreeSgdPerStep, s: ScheduleFreeSgdState, theta: Lanes) -> Lanes:
    """Return x, given y."""
    return theta - (1.0 - c.beta) * s.d


def own_weight(h: "ScheduleFreeSgd | ScheduleFreeAdamw", n: Array) -> Array:
    """Return c at steps n (steps,): the weight of z in x, at a constant rate about (r + 1) / n."""
    return np.asarray((h.r + 1.0) / (h.r + n))


SCHEDULE_FREE_SGD = Optimizer(
    name="schedule_free_sgd",
    parameters=ScheduleFreeSgd,
    paper="Defazio et al. (2024), arXiv:2405.15682",
    state=ScheduleFreeSgdState,
    per_step=ScheduleFreeSgdPerStep,
    at_rate=sgd_at_rate,
    update=sgd_update,
    decays=True,
    own=sgd_own,
    own_name="average",
    own_weight=own_weight,
    relative_size=CONSTANT_SIZE,
    monotone=(),
    can_be_undefined=NEVER,
    bounded_direction=NEVER,
    # In the long run x stands still, and y moves by 1 - beta of what z moves by.
    stable_below=lambda h: 2.0 / (1.0 - h.beta),
    scaling=Scaling(lambda c, s: 1.0, lambda h: 2.0 / (1.0 - h.beta)),
)


class ScheduleFreeAdamw(NamedTuple):
    """Schedule-free AdamW: schedule-free SGD whose gradients are divided as Adam's are; beta1 takes the place of momentum.

        y, z, x and w as in schedule_free_sgd, with beta = beta1 and with q_n instead of g_n
        v_n = beta2 v_{n-1} + (1 - beta2) g_n^2          v_hat = v_n / (1 - beta2^n)
        q_n = g_n / (sqrt(v_hat) + eps) + weight_decay y_{n-1}

    Where implementations differ: as in schedule_free_sgd. Before version 1.3 the package schedulefree multiplied the rate by
    sqrt(1 - beta2^n) instead of dividing v by 1 - beta2^n, which matters for eps and for the weights w.
    """

    beta1: Interpolation = 0.9
    beta2: Beta2 = 0.999
    eps: Eps = 1e-8
    weight_lr_power: Power = 2.0
    r: StepPower = 0.0


class ScheduleFreeAdamwState(NamedTuple):
    """What the next step needs, one number per coordinate and path: as schedule-free SGD, and v, the average of squares."""

    d: Lanes
    total: Lanes
    largest: Lanes
    v: Lanes


class ScheduleFreeAdamwPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps: as schedule-free SGD, and of v."""

    beta: Lanes
    rate: Lanes
    inverse: Lanes
    power: Lanes
    weight: Lanes
    decay2: Lanes
    weight2: Lanes
    correction2: Lanes
    eps: Lanes


def adamw_at_rate(h: ScheduleFreeAdamw, n: Array, rate: Array) -> ScheduleFreeAdamwPerStep:
    """Tabulate the coefficients of steps n (steps,) at these learning rates (steps,)."""
    of_v = (*averages_of(h.beta2, n), correction(h.beta2, True, n), np.full_like(n, h.eps))
    return ScheduleFreeAdamwPerStep(*sgd_at_rate(h, n, rate), *of_v)


def adamw_update(
    c: ScheduleFreeAdamwPerStep, s: ScheduleFreeAdamwState, g: Lanes, pull: Lanes = 0.0
) -> tuple[Lanes, ScheduleFreeAdamwState]:
    """Take one step; return the direction of y and the new state, as `sgd_update` does."""
    v = c.decay2 * s.v + c.weight2 * (g * g)
    q = g / (np.sqrt(v * c.correction2) + c.eps) + pull
    largest = np.maximum(s.largest, c.power)
    weight = c.weight * largest
    total = s.total + weight
    share = select(total > 0.0, weight / total, 0.0)
    direction = (1.0 - c.beta + c.beta * share) * q - c.beta * share * s.d * c.inverse
    return direction, ScheduleFreeAdamwState((1.0 - share) * (s.d - c.rate * q), total, largest, v)


def adamw_own(c: ScheduleFreeAdamwPerStep, s: ScheduleFreeAdamwState, theta: Lanes) -> Lanes:
    """Return x, given y."""
    return theta - (1.0 - c.beta) * s.d


def adamw_stable_below(h: ScheduleFreeAdamw) -> float | None:
    """Return that of schedule-free SGD, times eps, which alone divides near a minimum without noise."""
    quotient = stable_quotient(0.0, h.beta2, h.eps)
    return None if quotient is None else quotient / (1.0 - h.beta1)


SCHEDULE_FREE_ADAMW = Optimizer(
    name="schedule_free_adamw",
    parameters=ScheduleFreeAdamw,
    paper="Defazio et al. (2024), arXiv:2405.15682",
    state=ScheduleFreeAdamwState,
    per_step=ScheduleFreeAdamwPerStep,
    at_rate=adamw_at_rate,
    update=adamw_update,
    decays=True,
    own=adamw_own,
    own_name="average",
    own_weight=own_weight,
    relative_size=CONSTANT_SIZE,
    monotone=(),
    can_be_undefined=without_eps,
    bounded_direction=lambda h: most(h.beta2) < 1.0,
    stable_below=adamw_stable_below,
    squares=Squares("v", keeps=lambda h: least(h.beta2), divisor=lambda h: h.eps),
    shown=(Shown("v_hat", lambda c, s: s.v * c.correction2),),
    scaling=Scaling(lambda c, s: 1.0 / (np.sqrt(s.v * c.correction2) + c.eps), lambda h: 2.0 / (1.0 - h.beta1)),
)
