"""Adagrad."""

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import ALWAYS, Optimizer, Scaling, Squares
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.optimizers.dialects import smallest_divisor


class Adagrad(NamedTuple):
    """Adagrad: each coordinate is divided by the root of the sum of its squared gradients.

        v_n = v_{n-1} + g_n^2
        direction = g_n / (sqrt(v_n) + eps)        eps_placement: outside
        direction = g_n / sqrt(v_n + eps)          eps_placement: inside

    The effective rate vanishes by itself, so a constant learning rate need not leave a plateau.

    Where implementations differ: PyTorch has eps outside and v_0 = 0; Optax has eps inside, 1e-7, and v_0 = 0.1.
    """

    eps: Annotated[float, Interval(ge=0), Doc("keeps the denominator away from zero")] = 1e-10
    eps_placement: Annotated[Literal["outside", "inside"], Doc("where eps stands with respect to the root")] = "outside"
    initial_accumulator: Annotated[float, Interval(ge=0), Doc("v_0, the sum of squares before the first step")] = 0.0


class AdagradState(NamedTuple):
    """What the next step needs: v, the sum of squared gradients so far, per coordinate and path."""

    v: Lanes


class AdagradPerStep(NamedTuple):
    """eps in the two places it can take, each an array over steps; one of them is 0."""

    eps_inside: Lanes
    eps_outside: Lanes


def start(h: Adagrad) -> AdagradState:
    """Return the state before the first step: v is `initial_accumulator`."""
    return AdagradState(h.initial_accumulator)


def at_step(h: Adagrad, n: Array) -> AdagradPerStep:
    """Tabulate eps for steps n (steps,): inside or outside the root, 0 in the other place."""
    eps, nothing = np.full_like(n, h.eps), np.zeros_like(n)
    return AdagradPerStep(eps, nothing) if h.eps_placement == "inside" else AdagradPerStep(nothing, eps)


def update(c: AdagradPerStep, s: AdagradState, g: Lanes) -> tuple[Lanes, AdagradState]:
    """Take one step; return the direction and the new state (Duchi, Hazan & Singer 2011).

    c: eps of this step. s: v before it. g: the batch's gradient, one number per lane.
    """
    v = s.v + g * g
    # One formula for both places of eps: the one that is not used is 0, and adding 0 is exact.
    return g / (np.sqrt(v + c.eps_inside) + c.eps_outside), AdagradState(v)


def relative_size(h: Adagrad, n: Array) -> Array:
    """Return 1 / sqrt(n) for steps n (steps,): v grows in proportion to n once v_0 is small beside it."""
    return 1.0 / np.sqrt(n)


def can_be_undefined(h: Adagrad) -> bool:
    """Return whether a gradient of 0 at the first step gives 0 / 0: nothing then keeps the denominator from 0."""
    return h.eps == 0 and h.initial_accumulator == 0


ADAGRAD = Optimizer(
    name="adagrad",
    parameters=Adagrad,
    paper="Duchi, Hazan & Singer (2011)",
    state=AdagradState,
    start=start,
    per_step=AdagradPerStep,
    at_step=at_step,
    update=update,
    relative_size=relative_size,
    monotone=("v",),
    can_be_undefined=can_be_undefined,
    bounded_direction=ALWAYS,
    stable_below=lambda h: math.inf,  # v stays as large as the gradients were that overshot
    squares=Squares("v", keeps=lambda h: 1.0, divisor=smallest_divisor),
    scaling=Scaling(lambda c, s: 1.0 / (np.sqrt(s.v + c.eps_inside) + c.eps_outside), lambda h: 2.0),
)
