"""Signum as a plug-in: nonconv explain docs/plugins/signum.py --test"""

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


class Signum(NamedTuple):
    """Signum: the sign of a running average of gradients.

        m_n = beta m_{n-1} + (1 - beta) g_n
        direction = sign(m_n)

    sign(0) = 0. There is no bias correction: the sign does not depend on it.
    """

    beta: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average")] = 0.9


class SignumState(NamedTuple):
    m: Lanes


def update(h: Signum, s: SignumState, g: Lanes) -> tuple[Lanes, SignumState]:
    m = h.beta * s.m + (1.0 - h.beta) * g
    return select(m > 0.0, 1.0, select(m < 0.0, -1.0, m)), SignumState(m)


OPTIMIZERS.register(
    Optimizer(
        name="my_signum",
        parameters=Signum,
        paper="Bernstein et al. (2018), arXiv:1802.04434",
        state=SignumState,
        update=update,
        relative_size=CONSTANT_SIZE,
        monotone=(),
        can_be_undefined=NEVER,
        bounded_direction=ALWAYS,
    )
)
