"""Adagrad."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Optimizer
from nonconv.numerics.arithmetic import Array, Lanes


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
    v: Lanes


class AdagradPerStep(NamedTuple):
    eps_inside: Lanes
    eps_outside: Lanes


def start(h: Adagrad) -> AdagradState:
    return AdagradState(h.initial_accumulator)


def at_step(h: Adagrad, n: Array) -> AdagradPerStep:
    eps, nothing = np.full_like(n, h.eps), np.zeros_like(n)
    return AdagradPerStep(eps, nothing) if h.eps_placement == "inside" else AdagradPerStep(nothing, eps)


def update(c: AdagradPerStep, s: AdagradState, g: Lanes) -> tuple[Lanes, AdagradState]:
    v = s.v + g * g
    return g / (np.sqrt(v + c.eps_inside) + c.eps_outside), AdagradState(v)


def relative_size(h: Adagrad, n: Array) -> Array:
    """v grows as n on gradients beside which v_0 is small."""
    return 1.0 / np.sqrt(n)


def can_be_undefined(h: Adagrad) -> bool:
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
)
