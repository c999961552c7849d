"""Batch sizes as functions of the step n = 1, 2, ...

Every `value` maps steps n (steps,), as floats, to sizes (steps,), floats that are whole numbers. `limits` are what the
size tends to: the theorems need the upper one to be finite.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Limits, Schedule
from nonconv.components.registry import Registry
from nonconv.numerics.arithmetic import Array
from nonconv.schedules.formula import FORMULA
from nonconv.schedules.pieces import complain_about_pieces, piecewise

LARGEST = 2**31 - 1
"""The largest batch size: the largest signed 32-bit integer."""
Size = Annotated[int, Interval(ge=1, le=LARGEST), Doc("samples per step")]


class Constant(NamedTuple):
    """The same batch size at every step: value."""

    value: Size = 1


CONSTANT = Schedule(
    name="constant",
    parameters=Constant,
    paper="arXiv:2407.08100: bounded batch sizes",
    value=lambda h, n: np.full_like(n, float(h.value)),
    limits=lambda h: Limits(h.value, h.value),
)


class Power(NamedTuple):
    """A growing batch: ceil(value n^exponent), at most `largest`."""

    value: Annotated[float, Interval(gt=0), Doc("the size at step 1")] = 1.0
    exponent: Annotated[float, Interval(ge=0), Doc("how fast it grows; 0 is constant")] = 0.5
    largest: Annotated[int, Interval(ge=1, le=LARGEST), Doc("the size it never exceeds")] = LARGEST


def power(h: Power, n: Array) -> Array:
    """Return ceil(value n^exponent) at steps n (steps,), clipped to [1, largest]; floats that are whole numbers."""
    # Without the factor below 1, rounding would raise a power that is an integer in exact arithmetic to the next integer.
    with np.errstate(over="ignore"):
        size = h.value * np.power(n, h.exponent)
    return np.clip(np.ceil(size * (1.0 - 2.0**-48)), 1.0, float(h.largest))


def power_limits(h: Power) -> Limits:
    """Return the size as n -> infinity; infinite if it grows and `largest` was left at its default."""
    # The default of `largest` is what a 32-bit size can hold, not a bound of the schedule.
    if h.exponent == 0 or h.largest < LARGEST:
        last = float(power(h, np.array([1.0]))[0]) if h.exponent == 0 else float(h.largest)
        return Limits(last, last)
    return Limits(np.inf, np.inf)


POWER = Schedule(
    name="power",
    parameters=Power,
    paper="arXiv:2407.08100: unbounded batch sizes are outside the theorem",
    value=power,
    limits=power_limits,
)


class Piecewise(NamedTuple):
    """Constant on pieces: values[0] up to and including step until[0], then values[1], and so on; the last value stays."""

    values: Annotated[tuple[Annotated[int, Interval(ge=1, le=LARGEST)], ...], Len(1), Doc("the size on each piece")]
    until: Annotated[tuple[Annotated[int, Interval(ge=1)], ...], Doc("the last step of each piece but the last")]


PIECEWISE = Schedule(
    name="piecewise",
    parameters=Piecewise,
    paper="Smith et al. (2018), arXiv:1711.00489",
    check=complain_about_pieces,
    value=piecewise,
    limits=lambda h: Limits(h.values[-1], h.values[-1]),
)

BATCH_SIZES = Registry("batch_size", "batch sizes", CONSTANT, POWER, PIECEWISE, FORMULA)
