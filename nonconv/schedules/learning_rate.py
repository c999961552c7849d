"""Learning rates as functions of the step n = 1, 2, ...

Every `value` maps steps n (steps,), as floats, to rates (steps,). `limits` are what the rate tends to, or oscillates
between: Theorem 1.1 needs the lower one to be positive.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import ALWAYS, Complaint, Limits, Schedule
from nonconv.components.registry import Registry
from nonconv.numerics.arithmetic import Array
from nonconv.schedules.formula import FORMULA
from nonconv.schedules.pieces import complain_about_pieces, piecewise

Rate = Annotated[float, Interval(gt=0), Doc("the learning rate")]


class Common(NamedTuple):
    """Parameters of every learning rate. During warm-up, step n uses n/warmup of the rate."""

    warmup: Annotated[int, Interval(ge=0), Doc("steps over which the rate rises linearly from 0 to its schedule")] = 0


def warmed_up(rate: Array, warmup: int, n: Array) -> Array:
    """Return rate (steps,) times min(1, n / warmup) at steps n (steps,); the rate itself without warm-up."""
    return rate * np.minimum(1.0, n / warmup) if warmup else rate


class Constant(NamedTuple):
    """The same rate at every step: value."""

    value: Rate


CONSTANT = Schedule(
    name="constant",
    parameters=Constant,
    paper="arXiv:2407.08100, Theorem 1.1 (as reconstructed)",
    value=lambda h, n: np.full_like(n, h.value),
    limits=lambda h: Limits(h.value, h.value),
)


class Power(NamedTuple):
    """A power of the step: value (n + shift)^(-exponent).

    For 1/2 < exponent <= 1 the rates meet Robbins & Monro's conditions: their sum is infinite, that of their squares finite.
    """

    value: Rate
    exponent: Annotated[float, Interval(ge=0), Doc("how fast it vanishes; 0 is constant")] = 0.5
    shift: Annotated[float, Interval(ge=0), Doc("added to the step; larger is flatter at the start")] = 0.0


POWER = Schedule(
    name="power",
    parameters=Power,
    paper="Robbins & Monro (1951)",
    value=lambda h, n: h.value * np.power(n + h.shift, -h.exponent),
    limits=lambda h: Limits(0.0, 0.0) if h.exponent > 0 else Limits(h.value, h.value),
    summable=lambda h: h.exponent > 1,
)


class AsymptoticallyConstant(NamedTuple):
    """From one rate to another, which it approaches but never reaches: limit + (value - limit) n^(-exponent)."""

    value: Rate
    limit: Annotated[float, Interval(gt=0), Doc("the rate as n -> infinity")]
    exponent: Annotated[float, Interval(gt=0), Doc("how fast the limit is approached")] = 0.5


ASYMPTOTICALLY_CONSTANT = Schedule(
    name="asymptotically_constant",
    parameters=AsymptoticallyConstant,
    paper="arXiv:2407.08100, Theorem 1.1 (as reconstructed)",
    value=lambda h, n: h.limit + (h.value - h.limit) * np.power(n, -h.exponent),
    limits=lambda h: Limits(h.limit, h.limit),
)


class Exponential(NamedTuple):
    """Exponential decay: value * factor^((n - 1) / steps).

    Where implementations differ: PyTorch's ExponentialLR has steps 1 and calls factor gamma; Optax's exponential_decay calls
    them transition_steps and decay_rate.
    """

    value: Rate
    factor: Annotated[float, Interval(gt=0, lt=1), Doc("the rate is multiplied by this once in `steps` steps")]
    steps: Annotated[float, Interval(gt=0), Doc("steps for one factor")] = 1.0


EXPONENTIAL = Schedule(
    name="exponential",
    parameters=Exponential,
    paper="PyTorch ExponentialLR; Optax exponential_decay",
    value=lambda h, n: h.value * np.power(h.factor, (n - 1.0) / h.steps),
    limits=lambda h: Limits(0.0, 0.0),
    summable=ALWAYS,
)


class Step(NamedTuple):
    """Staircase decay: value * factor^floor((n - 1) / every).

    Where implementations differ: PyTorch's StepLR calls every step_size and factor gamma.
    """

    value: Rate
    every: Annotated[int, Interval(ge=1), Doc("steps between two drops")]
    factor: Annotated[float, Interval(gt=0, lt=1), Doc("what each drop multiplies the rate by")] = 0.1


STEP = Schedule(
    name="step",
    parameters=Step,
    paper="PyTorch StepLR",
    value=lambda h, n: h.value * np.power(h.factor, np.floor((n - 1.0) / h.every)),
    limits=lambda h: Limits(0.0, 0.0),
    summable=ALWAYS,
)


class Cosine(NamedTuple):
    """Half a cosine from value to final over `steps` steps, then final: Loshchilov & Hutter without restarts.

    Where implementations differ: PyTorch's CosineAnnealingLR calls steps T_max and final eta_min, and rises again after
    T_max; Optax's cosine_decay_schedule calls steps decay_steps and has alpha = final / value.
    """

    value: Rate
    steps: Annotated[int, Interval(ge=1), Doc("steps until the final rate is reached")]
    final: Annotated[float, Interval(ge=0), Doc("the rate afterwards")] = 0.0


def cosine(h: Cosine, n: Array) -> Array:
    """Return the rate at steps n (steps,), per step; step 1 has `value`, step 1 + steps and later ones have `final`."""
    # NumPy's cosine will do: schedules are evaluated once, outside of kernels, for both engines.
    share = np.minimum((n - 1.0) / h.steps, 1.0)
    return h.final + (h.value - h.final) * 0.5 * (1.0 + np.cos(np.pi * share))


COSINE = Schedule(
    name="cosine",
    parameters=Cosine,
    paper="Loshchilov & Hutter (2017), arXiv:1608.03983",
    value=cosine,
    limits=lambda h: Limits(h.final, h.final),
    summable=lambda h: h.final == 0,
)


class Cyclic(NamedTuple):
    """A triangle wave from low up to high and back, once in `period` steps; step 1 is at low.

    Where implementations differ: PyTorch's CyclicLR calls low base_lr and high max_lr, and has step_size_up = period / 2.
    """

    low: Annotated[float, Interval(ge=0), Doc("the lowest rate")]
    high: Annotated[float, Interval(gt=0), Doc("the highest rate")]
    period: Annotated[int, Interval(ge=2), Doc("steps of one cycle")]


def check_cyclic(h: Cyclic) -> list[Complaint]:
    """Refuse high < low; equal ends are a constant rate and allowed."""
    if h.high < h.low:
        return [Complaint("high", f"{h.high:g} is below low, which is {h.low:g}")]
    return []


def cyclic(h: Cyclic, n: Array) -> Array:
    """Return the rate at steps n (steps,): low at step 1, high half a period later."""
    phase = np.mod(n - 1.0, h.period) / h.period
    return h.low + (h.high - h.low) * (1.0 - np.abs(2.0 * phase - 1.0))


def cyclic_limits(h: Cyclic) -> Limits:
    """Return the least and the largest rate of a cycle.

    An odd period never meets `high` exactly, so a cycle is tabulated; one of more than a million steps gets low and high.
    """
    # An odd period never reaches `high`: no step is in its middle.
    cycle = cyclic(h, np.arange(1.0, h.period + 1.0)) if h.period <= 10**6 else np.array([h.low, h.high])
    return Limits(float(cycle.min()), float(cycle.max()))


CYCLIC = Schedule(
    name="cyclic",
    parameters=Cyclic,
    paper="Smith (2017), arXiv:1506.01186",
    check=check_cyclic,
    value=cyclic,
    limits=cyclic_limits,
)


class Piecewise(NamedTuple):
    """Constant on pieces: values[0] up to and including step until[0], then values[1], and so on; the last value stays."""

    values: Annotated[tuple[Annotated[float, Interval(ge=0)], ...], Len(1), Doc("the rate on each piece")]
    until: Annotated[tuple[Annotated[int, Interval(ge=1)], ...], Doc("the last step of each piece but the last")]


PIECEWISE = Schedule(
    name="piecewise",
    parameters=Piecewise,
    paper="Optax piecewise_constant_schedule; PyTorch MultiStepLR",
    check=complain_about_pieces,
    value=piecewise,
    limits=lambda h: Limits(h.values[-1], h.values[-1]),
    summable=lambda h: h.values[-1] == 0,
)

LEARNING_RATES = Registry(
    "learning_rate",
    "learning rates",
    CONSTANT,
    POWER,
    ASYMPTOTICALLY_CONSTANT,
    EXPONENTIAL,
    STEP,
    COSINE,
    CYCLIC,
    PIECEWISE,
    FORMULA,
    common=Common,
)
