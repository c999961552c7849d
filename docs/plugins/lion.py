"""Lion as a plug-in: nonconv explain docs/plugins/lion.py --test"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components import CONSTANT_SIZE, NEVER, Optimizer
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers import OPTIMIZERS


class Lion(NamedTuple):
    """Lion: the sign of an interpolation between a running average and the gradient.

        direction = sign(beta1 m_{n-1} + (1 - beta1) g_n)
        m_n = beta2 m_{n-1} + (1 - beta2) g_n

    Where implementations differ: the paper's weight decay is left out, as of every optimizer here. sign(0) = 0.
    """

    beta1: Annotated[float, Interval(ge=0, lt=1), Doc("weight of the running average in the direction")] = 0.9
    beta2: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average")] = 0.99


class LionState(NamedTuple):
    m: Lanes


class LionPerStep(NamedTuple):
    weight_m: Lanes
    weight_g: Lanes
    decay: Lanes
    weight: Lanes


def start(h: Lion) -> LionState:
    return LionState(0.0)


def at_step(h: Lion, n: Array) -> LionPerStep:
    return LionPerStep(*(np.full_like(n, value) for value in (h.beta1, 1.0 - h.beta1, h.beta2, 1.0 - h.beta2)))


def sign(x: Lanes) -> Lanes:
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, x))  # of nan, nan


def update(c: LionPerStep, s: LionState, g: Lanes) -> tuple[Lanes, LionState]:
    m = c.decay * s.m + c.weight * g
    return sign(c.weight_m * s.m + c.weight_g * g), LionState(m)


OPTIMIZERS.register(
    Optimizer(
        name="lion",
        parameters=Lion,
        paper="Chen et al. (2023), arXiv:2302.06675",
        state=LionState,
        start=start,
        per_step=LionPerStep,
        at_step=at_step,
        update=update,
        relative_size=CONSTANT_SIZE,
        monotone=(),
        can_be_undefined=NEVER,
    )
)
