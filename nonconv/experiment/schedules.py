"""The schedules of an experiment: learning rates and batch sizes as functions of the step, and what is known of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Chosen, Limits, Schedule
from nonconv.engine.program import Supply
from nonconv.experiment.cell import Scheduled
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.schedules.learning_rate import warmed_up

MOST_SEEN, AHEAD = 2**20, 8
"""Most steps in which a period is looked for, and how many times the run's own: to tell how long a run would have to be."""
REPEATS_WITHIN = 1e-9
"""Largest relative difference between values one period apart: they are computed from different steps."""
TRIED_STEPS = 8
"""Steps, of those at which a candidate for a period fails, at which all other candidates are tried."""


MOST_TABULATED, PIECE = 2**27, 2**16
"""Steps of a schedule that are looked at before a run, and how many at once."""
MOST_SIZE = 2.0**31 - 1.0
"""The largest batch size."""


class Fit(NamedTuple):
    """What values of a kind of schedule are: a test of values (R,), and words."""

    fits: Callable[[Array], NDArray[np.bool_]]
    words: str


def _is_size(values: Array) -> NDArray[np.bool_]:
    """Return which values are batch sizes."""
    return np.asarray((values >= 1.0) & (values == np.floor(values)) & (values <= MOST_SIZE))


FITS = {
    "learning_rate": Fit(lambda values: (values >= 0.0) & np.isfinite(values), "a finite number >= 0 at every step"),
    "batch_size": Fit(_is_size, "a whole number from 1 to 2147483647 at every step"),
    "drift": Fit(np.isfinite, "a finite number at every step"),
    "decay": Fit(lambda values: (values >= 0.0) & (values < 1.0), "a number >= 0 and < 1 at every step"),
}
"""By kind."""


def make_rate(rate: Chosen, warmup: int) -> Callable[[Array], Array]:
    """Return the learning rate, with its warm-up, as a function of the steps n, (R,) -> (R,)."""
    return lambda n: warmed_up(_schedule_values(rate, n), warmup, n)


def make_drift(drift: Chosen) -> Callable[[Array], Array]:
    """Return what is added to data as a function of the steps n, (R,) -> (R,)."""
    return partial(_schedule_values, drift)


@dataclass(frozen=True)
class BatchSizes:
    """Sizes at steps n. Equal schedules are equal, so that programs with the same batches can be moved together."""

    schedule: Chosen

    def __call__(self, n: Array) -> Array:
        sizes = _schedule_values(self.schedule, n)
        if not np.all(_is_size(sizes)):
            if self.schedule.component.tabulated:  # beyond the run, where it is looked at to advise longer ones
                return np.clip(np.floor(np.nan_to_num(sizes, nan=1.0)), 1.0, MOST_SIZE)
            raise refusal(self.schedule.component.value, "batch sizes must be whole numbers from 1 to 2147483647")
        return sizes


def describe_schedule(schedule: Chosen, constant: Schedule, least: float, warmup: int = 0) -> Scheduled:
    """Return what is known of a schedule in advance. constant: the component that is the same at every step.

    least: what its kind may be at least.
    """
    steady = schedule.component is constant and not warmup
    return Scheduled(
        _possible(_limits(schedule), least),
        float(schedule.parameters.value) if steady else None,
        warmup,
        bool(schedule.component.summable(schedule.parameters)),
    )


def with_data(period: int, supply: Supply, batch: float | None, drift: Chosen | None, steps: int) -> int:
    """Return the period of the schedules and of the data together; 0 where one is not seen.

    Data repeat their pattern with each pass through rows in an order, and with each hold; and with the drift. batch: the size
    of all batches; None if it changes, and a pass has no fixed number of steps.
    """
    found = math.lcm(period, supply.hold)
    if supply.rows and batch is not None:
        found = math.lcm(found, supply.rows // math.gcd(supply.rows, int(batch)) * supply.hold)
    return math.lcm(found, find_period((drift,), steps)) if drift else found


def may_oscillate(schedule: Chosen) -> bool:
    """Return whether a schedule oscillates, or nothing is known of its limits."""
    limits = _limits(schedule)
    return not limits.known or limits.low < limits.high


def find_period(schedules: Sequence[Chosen], steps: int) -> int:
    """Return the period of schedules, as learning rate and batch size, together: the least p with which all repeat.

    1 if none oscillates, as their limits say; 0 if one does and no period is seen. Schedules are functions of the step, so
    AHEAD times as many steps as the run has are looked at, at most MOST_SEEN: a period is p if every step in the later half of
    them has the values of p steps before. A warm-up is ignored, as it ends. One of which nothing is known may oscillate: its
    period is what is seen, or 1. Raises PluginError.
    """
    every = [_limits(schedule) for schedule in schedules]
    oscillates = any(limits.low < limits.high for limits in every)
    if not oscillates and all(limits.known for limits in every):
        return 1
    unseen = 0 if oscillates else 1
    last = max(steps, min(AHEAD * steps, MOST_SEEN))
    n = np.arange(max(1, last - MOST_SEEN + 1), last + 1, dtype=np.float64)
    values = np.array([_schedule_values(schedule, n) for schedule in schedules])
    # Relative to the largest value, so that a rounding error does not count where the rate is nearly 0.
    scale = REPEATS_WITHIN * np.abs(values).max(axis=1, keepdims=True)
    late = np.arange(len(n) // 2, len(n))
    candidates, chance = np.arange(1, len(n) // 2 + 1), np.random.default_rng(0)
    while candidates.size:
        differ = (np.abs(values[:, late] - values[:, late - candidates[0]]) > scale).any(axis=0)
        if not differ.any():
            # Constant over half of the steps: an oscillation has yet to be seen.
            return unseen if candidates[0] == 1 else int(candidates[0])
        # Some steps at which this one fails rule out most others; random ones, since others may all have the same phase.
        wrong = late[differ]
        for at in (wrong[0], *chance.choice(wrong, TRIED_STEPS)):
            same = np.abs(values[:, at, None] - values[:, at - candidates]) <= scale
            candidates = candidates[same.all(axis=0)]
    return unseen


@lru_cache(maxsize=256)
def find_misfit(kind: str, schedule: Chosen, steps: int) -> tuple[int, float] | None:
    """Return the first step, and the value there, at which a schedule is not what its kind takes (FITS); None if it fits.

    Only one that says so is looked at (Schedule.tabulated): at all steps, or where there are more than MOST_TABULATED at
    these many first ones, the last ones, and evenly spread ones. Cached, since cells of a sweep share schedules.
    """
    if not schedule.component.tabulated:
        return None
    for n in _pieces(steps):
        values = _schedule_values(schedule, n)
        wrong = ~FITS[kind].fits(values)
        if wrong.any():
            at = int(wrong.argmax())
            return int(n[at]), float(values[at])
    return None


def _pieces(steps: int) -> Iterator[Array]:
    """Yield the steps that are looked at, in pieces."""
    first = min(steps, MOST_TABULATED)
    for start in range(1, first + 1, PIECE):
        yield np.arange(start, min(start + PIECE, first + 1), dtype=np.float64)
    if steps > first:
        yield np.linspace(first, steps - PIECE, PIECE).round()
        yield np.arange(steps - PIECE + 1, steps + 1, dtype=np.float64)


def _limits(schedule: Chosen) -> Limits:
    """Return liminf and limsup of a schedule. Raises PluginError for anything else."""
    limits = schedule.component.limits(schedule.parameters)
    if not isinstance(limits, Limits):
        raise refusal(schedule.component.limits, "limits must return Limits")
    return limits


def _possible(limits: Limits, least: float) -> Limits:
    """Return limits of what is never below `least`; unknown if there are none.

    A formula may be fit for the steps of a run and for none far beyond, as one that falls to 0 at the last.
    """
    return Limits(max(limits.low, least), limits.high) if limits.high >= least else Limits.unknown()


def _schedule_values(schedule: Chosen, n: Array) -> Array:
    """Return a schedule at steps n, shape (R,). Raises PluginError for an array of another shape or type."""
    with np.errstate(all="ignore"):  # what overflows is 0 or infinite, and shows as the rate that it is
        values: Array = schedule.component.value(schedule.parameters, n)
    if not isinstance(values, np.ndarray) or values.shape != n.shape or values.dtype != np.float64:
        raise refusal(schedule.component.value, "value must return an array of floats of the shape of n")
    return values
