"""Lion as a plug-in: nonconv explain docs/plugins/lion.py --test"""

from typing import Annotated, NamedTuple

from nonconv.plugin import (
    ALWAYS,
    CONSTANT_SIZE,
    NEVER,
    OPTIMIZERS,
    Doc,
    Interval,
    Lanes,
    Optimizer,
    select,
)


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


def sign(x: Lanes) -> Lanes:
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, x))  # of nan, nan


def update(h: Lion, s: LionState, g: Lanes) -> tuple[Lanes, LionState]:
    m = h.beta2 * s.m + (1.0 - h.beta2) * g
    return sign(h.beta1 * s.m + (1.0 - h.beta1) * g), LionState(m)


OPTIMIZERS.register(
    Optimizer(
        name="my_lion",
        parameters=Lion,
        paper="Chen et al. (2023), arXiv:2302.06675",
        state=LionState,
        update=update,
        relative_size=CONSTANT_SIZE,
        monotone=(),
        can_be_undefined=NEVER,
        bounded_direction=ALWAYS,
    )
)
