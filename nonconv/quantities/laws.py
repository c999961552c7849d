"""The law of the iterate at chosen steps."""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.quantity import Quantity, Seen, Steps
from nonconv.numerics.arithmetic import Array


class Law(NamedTuple):
    """The law of one coordinate of theta_n at chosen steps: a histogram, and the distribution function with its 95 % band.

    The band of Dvoretzky, Kiefer and Wolfowitz holds for all points at once: the distribution function is at most
    sqrt(log(2 / 0.05) / (2 paths)) away from the share of paths. Both are in law.csv.
    """

    steps: Annotated[tuple[int, ...] | None, Len(1), Doc("recorded steps; the last if left out")] = None
    coordinate: Annotated[int, Interval(ge=1), Doc("which coordinate, from 1 on")] = 1


def chosen(h: Law, record: Steps, steps: int) -> Steps:
    """Return the steps that are looked at."""
    return record[-1:] if h.steps is None else np.unique(np.array(h.steps, dtype=np.int64))


def values(h: Law, seen: Seen) -> Array:
    """Return the coordinate at the chosen steps, (steps, paths)."""
    found: Array = seen.theta[np.searchsorted(seen.record, chosen(h, seen.record, seen.steps)), h.coordinate - 1].copy()
    return found


LAW = Quantity(
    name="law",
    parameters=Law,
    paper="Massart (1990), Ann. Probab. 18: the constant of Dvoretzky, Kiefer and Wolfowitz",
    kind="law",
    of_averages=True,
    title=lambda h: f"law of Θₙ{'' if h.coordinate == 1 else f', coordinate {h.coordinate}'}",
    label=lambda h, xi: "law" if h.coordinate == 1 else f"law: coordinate {h.coordinate}",
    steps=chosen,
    measure=values,
)
