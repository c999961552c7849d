"""My optimizer. Edit it, then type: nonconv explain own_optimizer.py --test"""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import ALWAYS, CONSTANT_SIZE, NEVER, OPTIMIZERS, Doc, Interval, Lanes, Optimizer


class MyRule(NamedTuple):
    """My rule: a running average of gradients, made shorter where it is long.

    m_n = beta m_{n-1} + (1 - beta) g_n
    direction = m_n / sqrt(1 + m_n^2)
    """

    # A parameter: its type, its range, what it means, its default.
    beta: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average")] = 0.9


class MyState(NamedTuple):
    """What the next step needs, for each coordinate and path. It starts at 0."""

    m: Lanes


def update(h: MyRule, s: MyState, g: Lanes) -> tuple[Lanes, MyState]:
    """Return the direction, of which learning rate times it is subtracted, and the state."""
    # + - * /, np.sqrt, np.abs, np.maximum, np.minimum; select(condition, yes, no) for `if`.
    m = h.beta * s.m + (1.0 - h.beta) * g
    return m / np.sqrt(1.0 + m * m), MyState(m)


OPTIMIZERS.register(
    Optimizer(
        name="my_rule",
        parameters=MyRule,
        paper="none",  # where it comes from
        state=MyState,
        update=update,
        # What the verdict needs to know of the rule; --test says so if it is not true.
        relative_size=CONSTANT_SIZE,  # its directions do not grow or shrink with the step
        monotone=(),  # no field of its state only rises or only falls
        can_be_undefined=NEVER,  # no direction is 0/0
        bounded_direction=ALWAYS,  # none is longer than 1
    )
)
