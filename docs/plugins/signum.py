"""Signum as a plug-in: nonconv explain docs/plugins/signum.py --test"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components import Optimizer
from nonconv.numerics.arithmetic import Array, Lanes, select
from nonconv.optimizers import OPTIMIZERS


class Signum(NamedTuple):
    """Signum: the sign of a running average of gradients.

        m_n = beta m_{n-1} + (1 - beta) g_n
        direction = sign(m_n)

    sign(0) = 0. There is no bias correction: the sign does not depend on it.
    """

    beta: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the running average")] = 0.9


class SignumState(NamedTuple):
    m: Lanes


class SignumPerStep(NamedTuple):
    decay: Lanes
    weight: Lanes


def start(h: Signum) -> SignumState:
    return SignumState(0.0)


def at_step(h: Signum, n: Array) -> SignumPerStep:
    return SignumPerStep(np.full_like(n, h.beta), np.full_like(n, 1.0 - h.beta))


def update(c: SignumPerStep, s: SignumState, g: Lanes) -> tuple[Lanes, SignumState]:
    m = c.decay * s.m + c.weight * g
    return select(m > 0.0, 1.0, select(m < 0.0, -1.0, m)), SignumState(m)


OPTIMIZERS.register(
    Optimizer(
        name="signum",
        parameters=Signum,
        paper="Bernstein et al. (2018), arXiv:1802.04434",
        state=SignumState,
        start=start,
        per_step=SignumPerStep,
        at_step=at_step,
        update=update,
    )
)
