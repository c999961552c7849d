"""The schedules of an experiment: learning rates and batch sizes as functions of the step, and what is known of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nonconv.components.definitions import Chosen, Limits, Schedule
from nonconv.experiment.cell import Scheduled
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.schedules.learning_rate import warmed_up


def make_rate(rate: Chosen, warmup: int) -> Callable[[Array], Array]:
    """Return the learning rate, with its warm-up, as a function of the steps n, (R,) -> (R,)."""
    return lambda n: warmed_up(_schedule_values(rate, n), warmup, n)


@dataclass(frozen=True)
class BatchSizes:
    """Sizes at steps n. Equal schedules are equal, so that programs with the same batches can be moved together."""

    schedule: Chosen

    def __call__(self, n: Array) -> Array:
        sizes = _schedule_values(self.schedule, n)
        if not np.all((sizes >= 1.0) & (sizes == np.floor(sizes)) & (sizes < 2.0**31)):
            raise refusal(self.schedule.component.value, "batch sizes must be whole numbers from 1 to 2147483647")
        return sizes


def describe_schedule(schedule: Chosen, constant: Schedule, warmup: int = 0) -> Scheduled:
    """Return what is known of a schedule in advance. constant: the component that is the same at every step."""
    steady = schedule.component is constant and not warmup
    return Scheduled(_limits(schedule), float(schedule.parameters.value) if steady else None, warmup)


def _limits(schedule: Chosen) -> Limits:
    """Return liminf and limsup of a schedule. Raises PluginError for anything else."""
    limits = schedule.component.limits(schedule.parameters)
    if not isinstance(limits, Limits):
        raise refusal(schedule.component.limits, "limits must return Limits")
    return limits


def _schedule_values(schedule: Chosen, n: Array) -> Array:
    """Return a schedule at steps n, shape (R,). Raises PluginError for an array of another shape or type."""
    values: Array = schedule.component.value(schedule.parameters, n)
    if not isinstance(values, np.ndarray) or values.shape != n.shape or values.dtype != np.float64:
        raise refusal(schedule.component.value, "value must return an array of floats of the shape of n")
    return values
