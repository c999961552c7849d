"""Adadelta."""

import math
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import NEVER, UNKNOWN_SIZE, Optimizer, Scaling, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.averages import Decaying, averages_of, least


class Adadelta(NamedTuple):
    """Adadelta: gradients are divided by the root of their average square, and multiplied by that of the average step.

        v_n = rho v_{n-1} + (1 - rho) g_n^2
        direction = sqrt(d_{n-1} + eps) / sqrt(v_n + eps) g_n
        d_n = rho d_{n-1} + (1 - rho) direction^2

    Its steps start with a length of about sqrt(eps) and find theirs by themselves. On gradients of one size d grows without
    end, on others it may shrink: it need not have a limit.

    Where implementations differ: the paper has no learning rate, which is 1; Keras has 0.001 by default. rho is 0.95 in the
    paper and in Keras, 0.9 in PyTorch and Optax; eps is 1e-6 but for Keras, 1e-7.
    """

    rho: Annotated[Decaying, Doc("decay of both averages")] = 0.9
    eps: Annotated[float, Interval(gt=0), Doc("inside both roots: with 0 nothing would ever move")] = 1e-6


class AdadeltaState(NamedTuple):
    """What the next step needs, one number per coordinate and path.

    v: running average of squared gradients. d: that of squared directions.
    """

    v: Lanes
    d: Lanes


class AdadeltaPerStep(NamedTuple):
    """What depends on the step alone, each field an array over steps: decay and weight of both averages, and eps."""

    decay: Lanes
    weight: Lanes
    eps: Lanes


def at_step(h: Adadelta, n: Array) -> AdadeltaPerStep:
    """Tabulate the coefficients of steps n (steps,), 1-based and as floats."""
    return AdadeltaPerStep(*averages_of(h.rho, n), np.full_like(n, h.eps))


def update(c: AdadeltaPerStep, s: AdadeltaState, g: Lanes) -> tuple[Lanes, AdadeltaState]:
    """Take one step; return the direction and the new state (Zeiler, algorithm 1).

    c: the coefficients of this step. s: v and d before it. g: the batch's gradient, one number per lane.
    """
    v = c.decay * s.v + c.weight * (g * g)
    direction = np.sqrt(s.d + c.eps) / np.sqrt(v + c.eps) * g
    return direction, AdadeltaState(v, c.decay * s.d + c.weight * (direction * direction))


ADADELTA = Optimizer(
    name="adadelta",
    parameters=Adadelta,
    paper="Zeiler (2012), arXiv:1212.5701",
    state=AdadeltaState,
    per_step=AdadeltaPerStep,
    at_step=at_step,
    update=update,
    relative_size=UNKNOWN_SIZE,
    monotone=(),
    can_be_undefined=NEVER,
    bounded_direction=NEVER,  # a step can be 1 / (1 - rho) times as long as all before, and so can the next one
    # Near a minimum without noise v and d vanish, so that it is SGD.
    stable_below=lambda h: 2.0,
    squares=Squares("v", keeps=lambda h: least(h.rho), divisor=lambda h: math.sqrt(h.eps)),
    # With the newest direction in d, as the next step has it.
    scaling=Scaling(lambda c, s: np.sqrt(s.d + c.eps) / np.sqrt(s.v + c.eps), lambda h: 2.0),
)
