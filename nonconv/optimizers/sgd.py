"""Stochastic gradient descent."""

from typing import NamedTuple

from nonconv.components.definitions import CONSTANT_SIZE, NEVER, Optimizer, Scaling
from nonconv.numerics.arithmetic import Lanes


class Sgd(NamedTuple):
    """Stochastic gradient descent: the direction is the gradient.

        theta_n = theta_{n-1} - learning_rate_n g_n

    Where implementations differ: nowhere; PyTorch's SGD with momentum is `momentum` here.
    """


class SgdState(NamedTuple):
    """Empty: the next step needs nothing of the one before."""


def update(h: Sgd, s: SgdState, g: Lanes) -> tuple[Lanes, SgdState]:
    """Return the gradient itself as the direction (Robbins & Monro 1951), and the empty state."""
    return g, s


SGD = Optimizer(
    name="sgd",
    parameters=Sgd,
    paper="Robbins & Monro (1951)",
    state=SgdState,
    update=update,
    relative_size=CONSTANT_SIZE,
    monotone=(),
    can_be_undefined=NEVER,
    bounded_direction=NEVER,
    stable_below=lambda h: 2.0,
    scaling=Scaling(lambda c, s: 1.0, lambda h: 2.0),
)
