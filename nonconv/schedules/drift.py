"""How data drift: a function of the step n = 1, 2, ... that is added to every datum of the step.

In a network it is added to every target. The law that `minimizer` and the theory speak of is that without the drift.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Limits, Schedule
from nonconv.components.registry import Registry
from nonconv.schedules.formula import FORMULA
from nonconv.schedules.pieces import complain_about_pieces, piecewise

Value = Annotated[float, Doc("what is added")]


class Linear(NamedTuple):
    """A constant velocity: speed * n."""

    speed: Annotated[float, Doc("what is added per step")]


LINEAR = Schedule(
    name="linear",
    parameters=Linear,
    paper="tracking a moving minimum: Widrow et al. (1976)",
    value=lambda h, n: h.speed * n,
    limits=lambda h: Limits(h.speed * np.inf, h.speed * np.inf) if h.speed else Limits(0.0, 0.0),
)


class Sine(NamedTuple):
    """An oscillation: amplitude * sin(2 pi n / period)."""

    amplitude: Annotated[float, Doc("the largest shift to either side")]
    period: Annotated[float, Interval(gt=0), Doc("steps of one oscillation")]


SINE = Schedule(
    name="sine",
    parameters=Sine,
    paper="a law that returns to itself",
    value=lambda h, n: h.amplitude * np.sin(2.0 * np.pi * (n / h.period)),
    limits=lambda h: Limits(-abs(h.amplitude), abs(h.amplitude)),
)


class Power(NamedTuple):
    """A shift that vanishes or grows as a power of the step: value * n^(-exponent)."""

    value: Annotated[float, Doc("the shift at step 1")]
    exponent: Annotated[float, Doc("how fast it vanishes; below 0 it grows")] = 0.5


POWER = Schedule(
    name="power",
    parameters=Power,
    paper="laws that settle",
    value=lambda h, n: h.value * np.power(n, -h.exponent),
    limits=lambda h: Limits(*[0.0 if h.exponent > 0 or h.value == 0 else h.value if h.exponent == 0 else h.value * np.inf] * 2),
)


class Piecewise(NamedTuple):
    """Constant on pieces: values[0] up to and including step until[0], then values[1], and so on; the last value stays."""

    values: Annotated[tuple[float, ...], Len(1), Doc("the shift on each piece")]
    until: Annotated[tuple[Annotated[int, Interval(ge=1)], ...], Doc("the last step of each piece but the last")]


PIECEWISE = Schedule(
    name="piecewise",
    parameters=Piecewise,
    paper="a law that jumps",
    check=complain_about_pieces,
    value=piecewise,
    limits=lambda h: Limits(h.values[-1], h.values[-1]),
)

DRIFTS = Registry("drift", "drifts", LINEAR, SINE, POWER, PIECEWISE, FORMULA)
