"""RMSprop."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import ALWAYS, Optimizer, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.dialects import (
    EpsPlacement,
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


class Rmsprop(NamedTuple):
    """RMSprop: each coordinate is divided by the root of a running average of its squared gradients.

        v_n = beta2 v_{n-1} + (1 - beta2) g_n^2
        direction = g_n / (sqrt(v_n) + eps)        eps_placement: outside
        direction = g_n / sqrt(v_n + eps)          eps_placement: inside

    With bias_correction v_n is divided by 1 - beta2^n first; this is Adam with beta1 = 0. Without it, hat is outside.

    Where implementations differ: PyTorch has eps outside, no correction, and calls beta2 alpha (0.99); Optax has eps
    inside by default (eps_in_sqrt), calls beta2 decay (0.9), and offers bias_correction. arXiv:2407.08100's authors put
    eps inside in their public code.
    """

    beta2: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average of squared gradients")] = 0.99
    eps: Annotated[float, Interval(ge=0), Doc("keeps the denominator away from zero")] = 1e-8
    eps_placement: Annotated[
        EpsPlacement, Doc("where eps stands: outside the root, inside it, or outside before the correction")
    ] = "outside"
    bias_correction: Annotated[bool, Doc("divide v by 1 - beta2^n")] = False
    start: Annotated[Start, Doc("v before the first step: zero, or such that v_1 = g_1^2")] = "zero"


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


RMSPROP = Optimizer(
    name="rmsprop",
    parameters=Rmsprop,
    paper="Tieleman & Hinton (2012), lecture 6.5",
    check=complain_about_start,
    state=RmspropState,
    per_step=RmspropPerStep,
    at_step=at_step,
    update=update,
    relative_size=lambda h, n: size_of_quotient(0.0, h.beta2, h.bias_correction or h.start == "first_gradient", n),
    monotone=(),
    can_be_undefined=without_eps,
    bounded_direction=ALWAYS,
    stable_below=lambda h: stable_quotient(0.0, smallest_divisor(h)),
    squares=Squares("v", keeps=lambda h: float(h.beta2), divisor=smallest_divisor),
)
