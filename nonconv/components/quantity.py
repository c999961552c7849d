"""What a quantity is: one or more numbers per path that papers state besides |theta_n - xi|^2.

A definition says in one place what the quantity is called, what it needs of an experiment, which numbers it takes of each
path, and how these become a value with an interval. It sees paths through `Seen` alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Component, Parameters
from nonconv.numerics.arithmetic import Array

Steps = NDArray[np.int64]
Need = Literal["minimizer", "mean gradient", "losses"]
"""What of an experiment a quantity rests on: F*, the gradient of F, or the losses of the samples that were drawn."""
Kind = Literal["mean", "signed mean", "quantile", "rate", "passage", "law", "bound"]
"""How numbers of paths become a value: statistics.quantities has a function for each."""
LAST = "last"
"""The iterate after the step: the first of a run's iterates."""


class Regret(NamedTuple):
    """What was lost until each of some steps (n,), and the least that one point would have lost, (n, paths) each.

    Both are relative to what some fixed point lost, which loses fewer digits.
    """

    steps: Steps
    lost: Array
    least: Array


class Seen(Protocol):
    """What a quantity sees of some paths.

    record (R,): the recorded steps. steps: of the run. start (dim, paths). theta (R, dim, paths): a process of snapshots at
    the recorded steps, the last iterate or an average.
    """

    record: Steps
    steps: int
    start: Array
    theta: Array

    def iterates(self, coordinate: int) -> Array:
        """Return a coordinate, from 1 on, of theta_n at the recorded steps, (R, paths); infinite or nan for a failed path."""
        ...

    def distances(self, xi: str) -> Array:
        """Return |theta_n - xi| at the recorded steps, (R, paths); infinite or nan for a failed path."""
        ...

    def excess_risk(self) -> Array:
        """Return F(theta_n) - F* at the recorded steps, (R, paths)."""
        ...

    def squared_gradient(self) -> Array:
        """Return the squared norm of the gradient of F at the recorded steps, (R, paths)."""
        ...

    def course(self, of: str) -> Iterator[tuple[int, Array]]:
        """Yield |theta_n - xi| for the label of a xi, or F(theta_n) - F* for "excess_risk", at every step from 0 on.

        In pieces: the first step of one, and its numbers (steps, paths).
        """
        ...

    def regret(self) -> Regret:
        """Return the losses of the run, at the recorded steps or some of them."""
        ...


@dataclass(frozen=True, kw_only=True)
class Quantity(Component):
    """A quantity of paths.

    kind: how numbers of paths become a value with an interval.
    title: parameters -> what axes and tables call it.
    label: (parameters, xi) -> its name in files, where xi is the label of the candidate it is about; unique in a run.
    about_xi: whether it is about a candidate for the limit, which its parameter `xi` names.
    needs: what it rests on.
    steps: (parameters, record, steps of the run) -> the steps that its numbers are about, rising.
    measure: (parameters, seen) -> numbers (len(steps), paths). None: they are the distances that every run keeps.
    every_path: whether all paths are measured, or only the first ones, since each takes a simulation of its own.
    of_averages: whether it is measured of averages of iterates too: it looks at recorded steps alone.
    """

    kind: Kind
    title: Callable[[Parameters], str]
    label: Callable[[Parameters, str], str]
    about_xi: bool = False
    needs: Callable[[Parameters], tuple[Need, ...]] = lambda parameters: ()
    steps: Callable[[Parameters, Steps, int], Steps] = lambda parameters, record, steps: record
    measure: Callable[[Parameters, Seen], Array] | None = None
    every_path: bool = False
    of_averages: bool = False


class Asked(NamedTuple):
    """A quantity that a config asks for, with its parameters. label: its name in files. xi: the label of its candidate."""

    quantity: Quantity
    parameters: Any
    label: str
    xi: str = ""
