"""Iterates: the last one, running averages of all so far, and the optimizer's own. Each is a process like theta_n.

An average moves by its weight: average_n = (1 - w_n) average_{n-1} + w_n theta_n, from average_0 = theta_0 on.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Iterate
from nonconv.components.registry import Registry
from nonconv.numerics.arithmetic import Array


class Last(NamedTuple):
    """The last iterate, theta_n itself."""


LAST = Iterate(name="last", parameters=Last, paper="the iterate of the rule itself")


class Own(NamedTuple):
    """The iterate that the optimizer's paper evaluates, where it is not the one at which gradients are taken.

    Of schedule-free methods it is the average x.
    """


OWN = Iterate(name="own", parameters=Own, paper="Defazio et al. (2024), arXiv:2405.15682", own=True)


class Polyak(NamedTuple):
    """The mean of all iterates after a step: of theta_{after+1}, ..., theta_n.

    Up to that step it is the last iterate. `after` at least 1 is a step; below 1 it is a share of all steps.
    """

    after: Annotated[float, Interval(ge=0), Doc("the step after which the mean begins, or a share of all steps below 1")] = 0.0


def mean_after(after: float, n: Array) -> Array:
    """Return the weights (steps,) of a mean of the iterates after a step: 1 up to the first of them, then 1/2, 1/3, ..."""
    return 1.0 / np.maximum(n - after, 1.0)


def first_of(share: float, steps: int) -> float:
    """Return the step after which a mean begins: a number of steps, or below 1 a share of all steps."""
    return float(np.floor(share * steps)) if share < 1 else share


def check_polyak(h: Polyak) -> list[Complaint]:
    """Refuse a step that is not whole."""
    whole = h.after < 1 or h.after == np.floor(h.after)
    return [] if whole else [Complaint("after", f"{h.after:g} is neither a whole step nor a share below 1")]


POLYAK = Iterate(
    name="polyak",
    parameters=Polyak,
    paper="Polyak & Juditsky (1992); Ruppert (1988)",
    check=check_polyak,
    weight=lambda h, n, steps: mean_after(first_of(h.after, steps), n),
)


class Tail(NamedTuple):
    """The mean of the last share of a run's iterates: suffix averaging. It is polyak with after: 1 - share."""

    share: Annotated[float, Interval(gt=0, le=1), Doc("the share of all steps that the mean covers at the end")] = 0.5


TAIL = Iterate(
    name="tail",
    parameters=Tail,
    paper="Rakhlin, Shamir & Sridharan (2012), arXiv:1109.5647",
    weight=lambda h, n, steps: mean_after(float(np.floor(round((1.0 - h.share) * steps, 6))), n),
)


class Ema(NamedTuple):
    """An exponential average: average_n = decay average_{n-1} + (1 - decay) theta_n.

    It begins at the start; with bias_correction it is the weighted mean of theta_1, ..., theta_n alone, as Adam's averages.
    """

    decay: Annotated[float, Interval(ge=0, lt=1), Doc("decay of the average")] = 0.999
    bias_correction: Annotated[bool, Doc("leave the start out: divide by 1 - decay^n")] = False


def ema_weight(h: Ema, n: Array, steps: int) -> Array:
    """Return the weights (steps,) of an exponential average at steps n."""
    if not h.bias_correction:
        return np.full_like(n, 1.0 - h.decay)
    if h.decay == 0:
        return np.ones_like(n)
    # expm1 keeps the digits of 1 - decay^n where decay is near 1. The first weight is 1, which the quotient may just miss.
    return np.asarray(np.where(n > 1.0, (1.0 - h.decay) / -np.expm1(n * np.log(h.decay)), 1.0))


EMA = Iterate(name="ema", parameters=Ema, paper="Izmailov et al. (2018); Morales-Brotons et al. (2024)", weight=ema_weight)


class Polynomial(NamedTuple):
    """A mean whose weights grow as a power of the step: w_n = (power + 1) / (n + power).

    0 is the mean of all iterates; larger powers forget the start sooner.
    """

    power: Annotated[float, Interval(ge=0), Doc("the power with which weights grow")] = 3.0


POLYNOMIAL = Iterate(
    name="polynomial",
    parameters=Polynomial,
    paper="Shamir & Zhang (2013), arXiv:1212.1824",
    weight=lambda h, n, steps: (h.power + 1.0) / (n + h.power),
)

ITERATES = Registry("iterate", "iterates", LAST, POLYAK, TAIL, EMA, POLYNOMIAL, OWN)
