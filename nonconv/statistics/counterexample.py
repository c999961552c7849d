"""What is measured on Toint's counterexample: the slope that every step met, and how fast a deviation grew."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.moving import every_step, start_points
from nonconv.engine.orbit import with_orbit
from nonconv.engine.program import Engine, Program
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.toint import Knots, companion

KNOTS: tuple[Knots, ...] = ("exact", "uniform")
SMALL_DEVIATION = 0.01
"""A deviation grows as the linearised one does up to this part of the interval between two knots."""
TRACED_STEPS = 1024
"""Steps whose iterates are in memory at a time."""


class Slopes(NamedTuple):
    """What each path met; every field has shape (paths,).

    exact: how many of its steps met slope -scale exactly in all coordinates. first_other: the first step that did not, 0 if
    none. largest: the largest |f' / scale + 1|. growth: factor per step of |theta - orbit| in the first coordinate while it
    is small, from `deviation` at step growth_from until growth_to; nan if the path never leaves the orbit.
    """

    exact: NDArray[np.int64]
    first_other: NDArray[np.int64]
    largest: Array
    growth: Array
    deviation: Array
    growth_from: NDArray[np.int64]
    growth_to: NDArray[np.int64]


class Trace(NamedTuple):
    """The first path at the recorded steps, first coordinate, with each kind of knots; arrays (len(KNOTS), R)."""

    theta: Array
    loss: Array
    slope: Array


def traces(program: Program, engine: Callable[[Program], Engine]) -> Trace:
    """Simulate the first path on exact and on uniform knots. engine: makes the engine of a program."""
    h = program.objective.parameters
    found = []
    for knots in KNOTS:
        assert program.orbit is not None
        objective = program.objective._replace(parameters=companion(h, knots, program.orbit))
        other = replace(program, objective=objective, orbit=None)
        bound = program if knots == h.knots else with_orbit(other, engine)
        pieces = every_step(bound, engine(bound), 0, 1, np.zeros(1, dtype=np.uint8))
        theta = np.concatenate([theta[_marks(program, first, len(theta)), 0, 0] for first, theta in pieces])
        found.append((theta, *_values(bound, theta)))
    return Trace(*(np.array(field) for field in zip(*found, strict=True)))


def _marks(program: Program, first_step: int, steps: int) -> NDArray[np.int64]:
    """Return the recorded steps within a piece, as indices into it."""
    inside = (program.record >= first_step) & (program.record < first_step + steps)
    return np.asarray(program.record[inside] - first_step)


def _values(program: Program, theta: Array) -> tuple[Array, Array]:
    """Return f and f' of the first coordinate at theta, of any shape."""
    objective, _, every = program.objective
    constants = objective.constants(*(field[0] for field in every))
    with np.errstate(invalid="ignore", over="ignore"):
        # Adding 0.0 turns -0.0 into 0.0, which is how f(0) would else be printed.
        return objective.loss(constants, theta, None) + 0.0, objective.gradient(constants, theta, None)


def slopes(program: Program, engine: Callable[[Program], Engine], paths: int) -> Slopes:
    """Measure the slopes that each step of the first `paths` paths met. The program is bound to its orbit."""
    assert program.orbit is not None
    scale, steps = program.objective.parameters.scale, program.steps
    exact, first_other = np.zeros(paths, dtype=np.int64), np.zeros(paths, dtype=np.int64)
    largest = np.zeros(paths)
    growth = _Growth(program.orbit, paths)
    for first, theta in _from_start(program, engine(program), paths):
        at = theta[: max(0, steps - first)]  # a slope is met by the step that follows
        if len(at):
            error = np.abs(_values(program, at)[1] / scale + 1.0).max(axis=1)
            met = error == 0.0
            exact += met.sum(axis=0)
            other = (first_other == 0) & ~met.all(axis=0)
            first_other[other] = first + 1 + (~met).argmax(axis=0)[other]
            largest = np.maximum(largest, error.max(axis=0, initial=0.0))
        growth.see(first, theta[:, 0])
    return Slopes(exact, first_other, largest, *growth.found())


def _from_start(program: Program, engine: Engine, paths: int) -> Iterator[tuple[int, Array]]:
    """Yield the start as step 0, then all iterates piece by piece: first step and theta (steps, dim, paths)."""
    yield 0, start_points(program, 0, paths)[None]
    yield from every_step(program, engine, 0, paths, np.zeros(1, dtype=np.uint8), TRACED_STEPS)


class _Growth:
    """Where the deviation of each path from the orbit began, and where it ceased to be small; fed piece by piece."""

    def __init__(self, orbit: Array, paths: int) -> None:
        """Watch `paths` paths along an orbit (steps + 1 or more,)."""
        self.orbit, self.newest = orbit, 0
        self.began, self.ended = np.full(paths, -1), np.full(paths, -1)
        self.first, self.last = np.full(paths, np.nan), np.full(paths, np.nan)

    def see(self, first: int, theta: Array) -> None:
        """Take the next iterates (steps, paths), from step `first` on."""
        steps = np.arange(first, first + len(theta))
        away = theta - self.orbit[steps, None]
        small = SMALL_DEVIATION * (self.orbit[steps + 1] - self.orbit[steps])[:, None]
        for lane in np.flatnonzero(self.ended < 0):
            d = away[:, lane]
            # The deviation begins where the first bit differs.
            if self.began[lane] < 0 and d.any():
                at = int((d != 0).argmax())
                self.began[lane], self.first[lane] = first + at, d[at]
            if self.began[lane] < 0:
                continue
            large = np.abs(d) >= small[:, 0]
            at = int(large.argmax()) if large.any() else len(d) - 1
            self.last[lane] = d[at]
            if large.any():
                self.ended[lane] = first + at
        self.newest = int(steps[-1])

    def found(self) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.int64]]:
        """Return growth, deviation, growth_from and growth_to, (paths,) each."""
        ended = np.where(self.ended < 0, self.newest, self.ended)
        span = np.where((self.began >= 0) & (ended > self.began), ended - self.began, np.nan)
        # The geometric mean of the growth per step, from the first deviation to the last small one.
        growth = np.where(np.isnan(span), np.nan, np.abs(self.last / self.first) ** (1.0 / span))
        return growth, self.first, self.began, ended


class Evidence(NamedTuple):
    """What a run on the counterexample is reported with in addition to its tally."""

    trace: Trace
    slopes: Slopes


def evidence(program: Program, engine: Callable[[Program], Engine], paths: int) -> Evidence | None:
    """Return traces, and slopes of the first `paths` paths, at least one; None for a program without an orbit."""
    if program.orbit is None:
        return None
    return Evidence(traces(program, engine), slopes(program, engine, max(1, paths)))
