"""Adam and AMSGrad."""

import math
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Optimizer, Scaling, Shown, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.averages import forgets_before, least, lengthens
from nonconv.optimizers.dialects import (
    Beta1,
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
    without_eps,
)

BiasCorrection = Annotated[bool, Doc("divide m by 1 - beta1^n and v by 1 - beta2^n")]
StartAt = Annotated[Start, Doc("m and v before the first step: zero, or such that m_1 = g_1 and v_1 = g_1^2")]


class Adam(NamedTuple):
    """Adam: a running average of gradients over the root of one of squared gradients, coordinate by coordinate.

        m_n = beta1 m_{n-1} + (1 - beta1) g_n          m_hat = m_n / (1 - beta1^n)
        v_n = beta2 v_{n-1} + (1 - beta2) g_n^2        v_hat = v_n / (1 - beta2^n)
        direction = m_hat / (sqrt(v_hat) + eps)        eps_placement: outside
        direction = m_hat / sqrt(v_hat + eps)          eps_placement: inside
        direction = m_hat / (sqrt(v_hat) + eps / sqrt(1 - beta2^n))    eps_placement: hat

    Where implementations differ: PyTorch and Optax have eps outside, with correction; Optax's eps_root is eps inside.
    Kingma & Ba's efficient form (end of their section 2) is hat. Reddi et al. (arXiv:1904.09237) drop the correction.
    Toint (arXiv:2308.00720) has neither correction nor eps and starts m and v at the first gradient.
    """

    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Eps = 1e-8
    eps_placement: Placement = "outside"
    bias_correction: BiasCorrection = True
    start: StartAt = "zero"


class AdamState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m: running average of gradients. v: running average of squared gradients.
    """

    m: Lanes
    v: Lanes


class AdamPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps.

    decay, weight: m_n = decay1 m_{n-1} + weight1 g_n, and likewise v with decay2 and weight2. correction1, correction2:
    factors that make m and v unbiased, or 1. eps_inside, eps_outside: eps with respect to the root; one of them is 0.
    """

    decay1: Lanes
    weight1: Lanes
    decay2: Lanes
    weight2: Lanes
    correction1: Lanes
    correction2: Lanes
    eps_inside: Lanes
    eps_outside: Lanes


def at_step(h: "Adam | Amsgrad", n: Array) -> AdamPerStep:
    """Tabulate Adam's coefficients for steps n (steps,), 1-based and as floats; AMSGrad starts from the same table."""
    correction2 = correction(h.beta2, h.bias_correction, n)
    return AdamPerStep(
        *averaging(h.beta1, h.start, n),
        *averaging(h.beta2, h.start, n),
        correction(h.beta1, h.bias_correction, n),
        correction2,
        *epsilons(h.eps, h.eps_placement, correction2),
    )


def update(c: AdamPerStep, s: AdamState, g: Lanes) -> tuple[Lanes, AdamState]:
    """Take one step; return the direction and the new state (Kingma & Ba, algorithm 1).

    c: the coefficients of this step. s: m and v before it. g: the batch's gradient, one number per lane.
    """
    m = c.decay1 * s.m + c.weight1 * g
    v = c.decay2 * s.v + c.weight2 * (g * g)
    m_hat, v_hat = m * c.correction1, v * c.correction2
    # One formula for every eps_placement: the eps that is not used is 0, and adding 0 is exact.
    return m_hat / (np.sqrt(v_hat + c.eps_inside) + c.eps_outside), AdamState(m, v)


def relative_size(h: "Adam | Amsgrad", n: Array) -> Array:
    """Return the mean direction at steps n (steps,) relative to its limit: 1, unless averages start at 0 uncorrected."""
    # An average that starts at the first gradient has no bias either.
    return size_of_quotient(h.beta1, h.beta2, h.bias_correction or h.start == "first_gradient", n)


def bounded_direction(h: "Adam | Amsgrad") -> bool:
    """Return whether m forgets a large gradient before the root of v does: then m_hat / sqrt(v_hat) is bounded."""
    return forgets_before(h.beta1, h.beta2)


def denoises(h: "Adam | Amsgrad") -> bool:
    """Return whether m is an average that lengthens for ever."""
    return lengthens(h.beta1)


def edge(h: "Adam | Amsgrad") -> float | None:
    """Return the effective rate times curvature from which on a minimum is not stable."""
    return stable_quotient(h.beta1, h.beta2, 1.0)


ADAM = Optimizer(
    name="adam",
    parameters=Adam,
    paper="Kingma & Ba (2015), arXiv:1412.6980",
    check=complain_about_start,
    state=AdamState,
    per_step=AdamPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=(),
    can_be_undefined=without_eps,
    bounded_direction=bounded_direction,
    denoises=denoises,
    stable_below=lambda h: stable_quotient(h.beta1, h.beta2, smallest_divisor(h)),
    squares=Squares("v", keeps=lambda h: least(h.beta2), divisor=smallest_divisor),
    shown=(Shown("m_hat", lambda c, s: s.m * c.correction1), Shown("v_hat", lambda c, s: s.v * c.correction2)),
    scaling=Scaling(lambda c, s: 1.0 / (np.sqrt(s.v * c.correction2 + c.eps_inside) + c.eps_outside), edge),
)


class Adamw(Adam):
    """AdamW: adam with weight decay that is decoupled from the gradient, weight_decay: 0.01 unless told otherwise.

        theta_n = (1 - rate_n weight_decay) theta_{n-1} - rate_n direction, with the direction of adam

    Where implementations differ: PyTorch has weight_decay 0.01, Optax 1e-4. The paper multiplies weight_decay by the schedule
    alone, without the rate that it starts from.
    """


# A name for settings: what runs is adam.
ADAMW = replace(
    ADAM,
    name="adamw",
    parameters=Adamw,
    paper="Loshchilov & Hutter (2019), arXiv:1711.05101",
    defaults=(("weight_decay", 0.01),),
    form=lambda h: ADAM,
)


class Amsgrad(NamedTuple):
    """AMSGrad: Adam whose denominator never shrinks.

        m_n, v_n as in adam
        maximum: before_correction    w_n = max(w_{n-1}, v_n),        v_hat = w_n / (1 - beta2^n)
        maximum: after_correction     w_n = max(w_{n-1}, v_n / (1 - beta2^n)),        v_hat = w_n
        direction = m_hat / (sqrt(v_hat) + eps), with eps placed as in adam; hat is defined with before_correction only

    Where implementations differ: PyTorch takes the maximum before the correction, Optax after it. Reddi et al. have no
    correction, where both are the same.
    """

    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Eps = 1e-8
    eps_placement: Placement = "outside"
    bias_correction: BiasCorrection = True
    maximum: Annotated[
        Literal["before_correction", "after_correction"], Doc("whether the maximum is over v or over the corrected v")
    ] = "before_correction"
    start: StartAt = "zero"


class AmsgradState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    m, v: as in Adam. w: the largest v so far, or the largest corrected v with `maximum: after_correction`.
    """

    m: Lanes
    v: Lanes
    w: Lanes


class AmsgradPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps: as AdamPerStep, with correction2 split in two.

    before2: the factor of v before the maximum is taken. after2: the factor of the maximum. One of them is 1.
    """

    decay1: Lanes
    weight1: Lanes
    decay2: Lanes
    weight2: Lanes
    correction1: Lanes
    before2: Lanes
    after2: Lanes
    eps_inside: Lanes
    eps_outside: Lanes


def check_amsgrad(h: Amsgrad) -> list[Complaint]:
    """Refuse `hat` with the maximum after the correction, and a first-gradient start with bias correction."""
    if h.eps_placement == "hat" and h.maximum == "after_correction":
        return [Complaint("eps_placement", "hat puts eps before the correction, so it needs maximum: before_correction")]
    return complain_about_start(h)


def amsgrad_at_step(h: Amsgrad, n: Array) -> AmsgradPerStep:
    """Tabulate AMSGrad's coefficients for steps n (steps,): Adam's, with the correction of v before or after the maximum."""
    adam = at_step(h, n)
    one, correction2 = np.ones_like(n), adam.correction2
    before2, after2 = (one, correction2) if h.maximum == "before_correction" else (correction2, one)
    # adam[:5] is everything before correction2: both decays and weights, and correction1.
    return AmsgradPerStep(*adam[:5], before2, after2, adam.eps_inside, adam.eps_outside)


def amsgrad_update(c: AmsgradPerStep, s: AmsgradState, g: Lanes) -> tuple[Lanes, AmsgradState]:
    """Take one step; return the direction and the new state (Reddi, Kale & Kumar, algorithm 2).

    c: the coefficients of this step. s: m, v and w before it. g: the batch's gradient, one number per lane.
    """
    m = c.decay1 * s.m + c.weight1 * g
    v = c.decay2 * s.v + c.weight2 * (g * g)
    w = np.maximum(s.w, v * c.before2)
    m_hat, v_hat = m * c.correction1, w * c.after2
    return m_hat / (np.sqrt(v_hat + c.eps_inside) + c.eps_outside), AmsgradState(m, v, w)


AMSGRAD = Optimizer(
    name="amsgrad",
    parameters=Amsgrad,
    paper="Reddi, Kale & Kumar (2018), arXiv:1904.09237",
    check=check_amsgrad,
    state=AmsgradState,
    per_step=AmsgradPerStep,
    at_step=amsgrad_at_step,
    update=amsgrad_update,
    relative_size=relative_size,
    monotone=("w",),
    can_be_undefined=without_eps,
    bounded_direction=bounded_direction,
    denoises=denoises,
    stable_below=lambda h: math.inf,  # w stays as large as the gradients were that overshot
    squares=Squares("w", keeps=lambda h: 1.0, divisor=smallest_divisor),
    shown=(Shown("m_hat", lambda c, s: s.m * c.correction1), Shown("v_hat", lambda c, s: s.w * c.after2)),
    scaling=Scaling(lambda c, s: 1.0 / (np.sqrt(s.w * c.after2 + c.eps_inside) + c.eps_outside), edge),
)
