"""Decays as functions of the step n = 1, 2, ...: the share of an average that a step keeps.

A decay is usually a number in [0, 1), and stays one in a resolved config. What is here is for decays that change. Those
that tend to 1 do it no faster than 1 - value / n: the sum of what they lack is infinite, or else averages would keep
their start for ever.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Decay, Limits
from nonconv.components.registry import Registry
from nonconv.numerics.arithmetic import Array
from nonconv.schedules import formula
from nonconv.schedules.pieces import complain_about_pieces, piecewise


class OneMinusPower(NamedTuple):
    """A decay that tends to 1: 1 - value (n + shift)^(-exponent).

    With value = exponent = 1 the average is the mean of all so far. Without shift and with value 1 step 1 keeps nothing.

    Where implementations differ: Adafactor has exponent 0.8; SC-RMSprop and SAdam have exponent 1 and a value below 1; AdaFom
    is exponent 1 with value 1.
    """

    exponent: Annotated[float, Interval(gt=0, le=1), Doc("how fast the average lengthens")] = 0.8
    value: Annotated[float, Interval(gt=0), Doc("what step 1 lacks of 1, without shift")] = 1.0
    shift: Annotated[float, Interval(ge=0), Doc("added to the step")] = 0.0


def check_one_minus_power(h: OneMinusPower) -> list[Complaint]:
    """Refuse a value with which the first decay is negative."""
    most = (1.0 + h.shift) ** h.exponent
    what = f"the decay of step 1 would be negative; with this shift and exponent it is at most {most:.6g}"
    return [Complaint("value", what)] if h.value > most else []


def one_minus_power(h: OneMinusPower, n: Array) -> Array:
    """Return 1 - value (n + shift)^(-exponent) at steps n (steps,)."""
    # Rounding must not make it negative where it is 0.
    return np.maximum(1.0 - h.value * np.power(n + h.shift, -h.exponent), 0.0)


ONE_MINUS_POWER = Decay(
    name="one_minus_power",
    parameters=OneMinusPower,
    paper="Shazeer & Stern (2018), arXiv:1804.04235",
    check=check_one_minus_power,
    value=one_minus_power,
    limits=lambda h: Limits(1.0, 1.0),
    least=lambda h: float(one_minus_power(h, np.array([2.0]))[0]),
)


class Geometric(NamedTuple):
    """A decay that vanishes geometrically: value factor^(n-1), as in proofs that Adam's regret is small.

    Where implementations differ: Kingma & Ba's theorem 4.1 and Reddi et al.'s corollary 1 call the factor lambda; the first has
    0.99999999 or so in mind (1 - 1e-8), where it hardly shows.
    """

    value: Annotated[float, Interval(gt=0, lt=1), Doc("the decay of step 1")] = 0.9
    factor: Annotated[float, Interval(gt=0, lt=1), Doc("each step multiplies the decay by this")] = 0.99


GEOMETRIC = Decay(
    name="geometric",
    parameters=Geometric,
    paper="Kingma & Ba (2015), arXiv:1412.6980, theorem 4.1; Reddi et al. (2018), arXiv:1904.09237, corollary 1",
    value=lambda h, n: h.value * np.power(h.factor, n - 1.0),
    limits=lambda h: Limits(0.0, 0.0),
    most=lambda h: h.value,
)


class Power(NamedTuple):
    """A decay that vanishes as a power of the step: value n^(-exponent)."""

    value: Annotated[float, Interval(gt=0, lt=1), Doc("the decay of step 1")] = 0.9
    exponent: Annotated[float, Interval(gt=0), Doc("how fast it vanishes")] = 1.0


POWER = Decay(
    name="power",
    parameters=Power,
    paper="Reddi, Kale & Kumar (2018), arXiv:1904.09237, section 5: beta1 / n",
    value=lambda h, n: h.value * np.power(n, -h.exponent),
    limits=lambda h: Limits(0.0, 0.0),
    most=lambda h: h.value,
)


class Piecewise(NamedTuple):
    """Constant on pieces: values[0] up to and including step until[0], then values[1], and so on; the last value stays."""

    values: Annotated[tuple[Annotated[float, Interval(ge=0, lt=1)], ...], Len(1), Doc("the decay on each piece")]
    until: Annotated[tuple[Annotated[int, Interval(ge=1)], ...], Doc("the last step of each piece but the last")]


def log_product(h: Piecewise, n: Array) -> Array:
    """Return the logarithm of the product of all decays up to steps n (steps,)."""
    ends = np.array([0.0, *map(float, h.until)])
    found = np.zeros_like(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, value in enumerate(h.values):
            last = float(h.until[k]) if k < len(h.until) else np.inf
            steps = np.maximum(np.minimum(n, last) - ends[k], 0.0)
            found += np.where(steps > 0.0, steps * np.log(value), 0.0)
    return found


PIECEWISE = Decay(
    name="piecewise",
    parameters=Piecewise,
    paper="Optax piecewise_constant_schedule",
    check=complain_about_pieces,
    value=piecewise,
    limits=lambda h: Limits(h.values[-1], h.values[-1]),
    least=lambda h: min(h.values),
    most=lambda h: max(h.values),
    log_product=log_product,
)


def check_formula(h: formula.Formula) -> list[Complaint]:
    """Refuse stated limits that are none of a decay, and a formula that tends to 1 so fast that starts are never forgotten."""
    wrong = [end for end in h.limits if not 0.0 <= end <= 1.0]
    if wrong:
        return [Complaint("limits", f"{wrong[0]:g} is no limit of a decay", "numbers from 0 to 1")]
    if formula.lacks_little(h):
        what = "tends to 1 so fast that an average never forgets its start: the sum of 1 less the decay is finite"
        return [Complaint("value", what)]
    return formula.check(h)


def limits_of_formula(h: formula.Formula) -> Limits:
    """Return the limits within [0, 1]; unknown where they lie outside, as of a formula that fits the steps of a run alone."""
    low, high = formula.limits(h)
    return Limits(max(low, 0.0), min(high, 1.0)) if high >= 0.0 and low <= 1.0 else Limits.unknown()


FORMULA = Decay(
    name="formula",
    parameters=formula.Formula,
    paper=formula.FORMULA.paper,
    check=check_formula,
    value=formula.value,
    limits=limits_of_formula,
    least=lambda h: max(formula.reach(h, 2.0).low, 0.0),
    most=lambda h: min(formula.reach(h, 1.0).high, 1.0),
    tabulated=True,
)

DECAYS = Registry("decay", "decays", ONE_MINUS_POWER, GEOMETRIC, POWER, PIECEWISE, FORMULA)
