"""AdaBelief."""

import math
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import NEVER, UNKNOWN_SIZE, Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.averages import Decaying, decay_at, least, lengthens, settled
from nonconv.optimizers.dialects import Beta1, correction, size_of_quotient, stable_quotient


class Adabelief(NamedTuple):
    """AdaBelief: Adam whose denominator measures how far gradients are from their running average.

        m_n = beta1 m_{n-1} + (1 - beta1) g_n                           m_hat = m_n / (1 - beta1^n)
        s_n = beta2 s_{n-1} + (1 - beta2) (g_n - m_n)^2 + eps_root      s_hat = s_n / (1 - beta2^n)
        direction = m_hat / (sqrt(s_hat) + eps)

    eps_root is added to s at every step, so that without gradients s tends to eps_root / (1 - beta2).

    Where implementations differ: the paper and its authors' PyTorch code have one eps for both places, 1e-8 in the paper
    and 1e-16 in the code; Optax has the two by these names, both 1e-16. All of them correct the bias.
    """

    beta1: Beta1 = 0.9
    beta2: Annotated[Decaying, Doc("decay of the running average of squared deviations")] = 0.999
    eps: Annotated[float, Interval(ge=0), Doc("added to the root")] = 1e-16
    eps_root: Annotated[float, Interval(ge=0), Doc("added to s at every step, inside the root")] = 1e-16
    bias_correction: Annotated[bool, Doc("divide m by 1 - beta1^n and s by 1 - beta2^n")] = True


class AdabeliefState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of gradients. s: running average of (g - m)^2.
    """

    m: Lanes
    s: Lanes


class AdabeliefPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    correction1, correction2: 1 / (1 - beta^n) for beta1 and beta2, or 1 without bias correction.
    """

    beta1: Lanes
    beta2: Lanes
    correction1: Lanes
    correction2: Lanes
    eps: Lanes
    eps_root: Lanes


def start(h: Adabelief) -> AdabeliefState:
    """Return the state before the first step: m and s are 0."""
    return AdabeliefState(0.0, 0.0)


def at_step(h: Adabelief, n: Array) -> AdabeliefPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats; every field has the shape of n."""
    return AdabeliefPerStep(
        beta1=decay_at(h.beta1, n),
        beta2=decay_at(h.beta2, n),
        correction1=correction(h.beta1, h.bias_correction, n),
        correction2=correction(h.beta2, h.bias_correction, n),
        eps=np.full_like(n, h.eps),
        eps_root=np.full_like(n, h.eps_root),
    )


def update(c: AdabeliefPerStep, state: AdabeliefState, g: Lanes) -> tuple[Lanes, AdabeliefState]:
    """Take one step; return the direction and the new state (Zhuang et al., algorithm 2).

    c: the coefficients of this step. state: m and s before it. g: the batch's gradient, one number per lane.
    """
    m = c.beta1 * state.m + (1.0 - c.beta1) * g
    # The deviation is from the new m, which holds g already (Zhuang et al., algorithm 2).
    s = c.beta2 * state.s + (1.0 - c.beta2) * ((g - m) * (g - m)) + c.eps_root
    return m * c.correction1 / (np.sqrt(s * c.correction2) + c.eps), AdabeliefState(m, s)


def relative_size(h: Adabelief, n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit.

    In an average that lengthens for ever eps_root adds up without bound, so that directions shrink, whenever that shows.
    """
    if lengthens(h.beta2) and h.eps_root > 0:
        return UNKNOWN_SIZE(h, n)
    return size_of_quotient(h.beta1, h.beta2, h.bias_correction, n)


def stable_below(h: Adabelief) -> float | None:
    """Return Adam's for what divides in the end: without gradients s tends to eps_root / (1 - beta2)."""
    limit = settled(h.beta2)
    return None if limit is None else stable_quotient(h.beta1, h.beta2, h.eps + math.sqrt(h.eps_root / (1.0 - limit)))


ADABELIEF = Optimizer(
    name="adabelief",
    parameters=Adabelief,
    paper="Zhuang et al. (2020), arXiv:2010.07468",
    state=AdabeliefState,
    start=start,
    per_step=AdabeliefPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=lambda h: bool(h.eps == 0 and h.eps_root == 0),
    # Constant gradients do not deviate from their average, so they are divided by next to nothing.
    bounded_direction=NEVER,
    denoises=lambda h: lengthens(h.beta1),
    stable_below=stable_below,
    squares=Squares("s", keeps=lambda h: least(h.beta2), divisor=lambda h: float(h.eps + math.sqrt(h.eps_root))),
    shown=(Shown("m_hat", lambda c, s: s.m * c.correction1), Shown("s_hat", lambda c, s: s.s * c.correction2)),
    scaling=Scaling(
        lambda c, s: 1.0 / (np.sqrt(s.s * c.correction2) + c.eps), lambda h: stable_quotient(h.beta1, h.beta2, 1.0)
    ),
)
