"""Measure a block of a cell: the functions that the statistics of a tally name.

What several of them need, as errors and floors, is a property of `MeasuredBlock` and computed once.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.blocks import Block
from nonconv.engine.causes import CAUSES, SQUARES
from nonconv.engine.distances import squared_distances
from nonconv.engine.program import Engine
from nonconv.experiment.cell import Bound, Cell, Xi
from nonconv.experiment.minima import nearest_minimum
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, moments
from nonconv.statistics import networks
from nonconv.statistics.comoments import CoMoments, comoments
from nonconv.statistics.floors import ROUNDING_VARIANCE, by_coordinate, last_floors, measured
from nonconv.statistics.parts import FirstFailure, FirstPaths
from nonconv.statistics.trends import FLOOR_TRENDS, LAST_SQUARE, Trend, followed, trends
from nonconv.theory.moments import is_bounded, is_confined, keeps_moments, law_of

MSE_PREFIX = "mse: "
"""Begins the name of an error among what paths end with; the label of its xi follows."""
OUTCOMES = ("finite", "escaped", "caught", "overflow", "undefined")
"""How a path can end; outcomes are stored as indices into this."""
ENDS_OF_DOMAIN = ("at_low", "at_high")
"""Where a path can be on its domain, beside its outcome."""
ESCAPE_UNITS = 1e6
"""A path that is so many times the problem's own unit away, and still going, has escaped."""
MOST_SHIFTS = 2**12
"""Steps at which the size of a drift is looked at."""
ESCAPE_GROWTH = 1.5
"""How many times further than at half of the run a path is that is still going: 1.41 for a random walk."""
BOUND_ULPS = 4
"""How many ulp of its ends the a priori interval may be left by through rounding."""
LEAST_ROOT = 1e-150
"""Distances below this have squares that lose digits."""
FATE_PATHS = 4096
"""How many first paths are kept with their progress along an orbit."""
PAIRED_PATHS = 65_536
"""How many first paths are kept with what they end with, for paired differences."""
DISTANCE_PATHS = 4096
"""Most first paths that are kept with their distances to each xi."""
FAN_COORDINATES, FAN_NUMBERS = 4, 2_000_000
"""Most coordinates that quantiles rest on, and most numbers: fewer first paths are used where more would be needed."""


class Again(NamedTuple):
    """What simulates paths again, and the flag that stops it."""

    engine: Engine
    stop: NDArray[np.uint8]


class MeasuredBlock:
    """A block of a cell, and what several statistics need of it, computed once."""

    def __init__(self, cell: Cell, block: Block, bound: Bound | None, again: Again | None = None) -> None:
        """Bind the block to its cell.

        bound: the a priori interval, None if none is known. again: for quantities that every step of a path is needed for.
        """
        self.cell, self.block, self.bound, self.again = cell, block, bound, again

    def iterates(self) -> Iterator["MeasuredBlock"]:
        """Yield the same paths as seen by each iterate besides the last."""
        for own in self.block.averages:
            yield MeasuredBlock(self.cell, replace(self.block, **own._asdict(), averages=()), self.bound)

    @property
    def paths(self) -> int:
        """How many paths the block has."""
        return int(self.block.theta.shape[2])

    def among_first(self, most: int) -> int:
        """Return how many of the block's paths are among the first `most` of the cell."""
        return min(self.paths, max(0, most - self.block.first))

    @cached_property
    def outcomes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Per path its outcome, an index into OUTCOMES, and the step of its failure, 0 for none; (paths,) each."""
        return _outcomes(self.cell, self.block)

    @cached_property
    def targets(self) -> list[Array]:
        """Each xi of the cell, broadcastable against (dim, paths)."""
        return [_target(self.cell, self.block, xi) for xi in self.cell.xi]

    @cached_property
    def errors(self) -> Array:
        """|theta_n - xi|^2 at the recorded steps, shape (xi, R, paths)."""
        found = np.empty((len(self.cell.xi), len(self.block.theta), self.paths))
        for target, out in zip(self.targets, found, strict=True):
            squared_distances(self.block.theta, target, out)
        _mark_failures(found, self.cell, self.block)
        return found

    @cached_property
    def floors(self) -> Array:
        """The rows of statistics.floors, shape (rows, paths)."""
        plan = self.cell.program.plan
        return measured(plan, self.block) if plan.spans else np.empty((0, self.paths))

    @cached_property
    def trends(self) -> Array:
        """The rows of statistics.trends, shape (trends, paths)."""
        plan = self.cell.program.plan
        return followed(plan, self.block, self.floors, self.targets) if plan.spans else np.empty((0, self.paths))

    @cached_property
    def groups(self) -> networks.MeasuredGroups | None:
        """What is measured of a network's groups of coordinates."""
        return networks.measured_groups(self.cell.program, self.block)


def fan_size(cell: Cell) -> tuple[int, int]:
    """Return how many paths and coordinates the quantiles rest on: a function of the config alone."""
    coordinates = min(len(cell.coordinates) or cell.program.dim, FAN_COORDINATES)
    return min(cell.fan_paths, FAN_NUMBERS // (coordinates * len(cell.program.record))), coordinates


def distance_paths(cell: Cell) -> int:
    """Return how many first paths the quantiles of distances rest on: a function of the config alone."""
    return max(min(DISTANCE_PATHS, FAN_NUMBERS // (len(cell.xi) * len(cell.program.record))), 1)


def kept_coordinates(cell: Cell) -> Any:
    """Return the coordinates that are kept of a path, as an index of an axis (dim,)."""
    return [number for number, _ in cell.coordinates] if cell.coordinates else slice(None)


def end_names(cell: Cell) -> list[str]:
    """Return the names of what each path ends with, in the order of `ends`.

    They are |theta_T - xi|^2 by the label of xi, the floors of the last span that are measured, and of a network its risk
    and share of idle units.
    """
    errors = [f"{MSE_PREFIX}{xi.label}" for xi in cell.xi]
    return [*errors, *last_floors(cell.program.plan), *networks.end_names(cell.program)]


def outcome_counts(seen: MeasuredBlock) -> NDArray[np.int64]:
    """Count the paths per outcome, in the order of OUTCOMES, shape (5,)."""
    return np.bincount(seen.outcomes[0], minlength=len(OUTCOMES)).astype(np.int64)


def causes(seen: MeasuredBlock) -> NDArray[np.int64] | None:
    """Count the undefined paths per cause, in the order of CAUSES; None if there is none."""
    undefined, block = OUTCOMES.index("undefined"), seen.block
    found = [CAUSES.index(one.cause) for one in block.failed if seen.outcomes[0][one.replicate - block.first] == undefined]
    return np.bincount(found, minlength=len(CAUSES)).astype(np.int64) if found else None


def at_ends(seen: MeasuredBlock) -> NDArray[np.int64] | None:
    """Count the paths whose last iterate has a coordinate at the low end of the domain, and at the high end, shape (2,).

    None without a domain.
    """
    if seen.cell.program.domain is None:
        return None
    last = seen.block.theta[-1]
    return np.array([(last == end[:, None]).any(axis=0).sum() for end in seen.cell.program.domain], dtype=np.int64)


def ends(seen: MeasuredBlock) -> FirstPaths:
    """Return the numbers of `end_names` of the first PAIRED_PATHS paths, shape (numbers, paths)."""
    floors = seen.floors[list(last_floors(seen.cell.program.plan).values())]
    numbers = np.concatenate([seen.errors[:, -1], floors, *(end[None] for end in networks.ends(seen.block.examined))])
    return FirstPaths((numbers[:, : seen.among_first(PAIRED_PATHS)],), axis=1)


def coordinates(seen: MeasuredBlock) -> Array | None:
    """Return floors.by_coordinate where a floor of the last span may be rounding errors; else, and in one coordinate, None."""
    plan, labels = seen.cell.program.plan, tuple(xi.label for xi in seen.cell.xi)
    if seen.cell.program.dim == 1 or not plan.spans:
        return None
    last = len(plan.spans) - 1
    every = zip(trends(plan, labels), seen.trends, strict=True)
    means = {trend: float(row.mean()) for trend, row in every if trend.span == last}
    size = means[Trend(LAST_SQUARE, last)]
    small = (means[trend] <= ROUNDING_VARIANCE * size for trend in means if trend.name in FLOOR_TRENDS)
    return by_coordinate(seen.cell.program, seen.block) if any(small) else None


def fan(seen: MeasuredBlock) -> FirstPaths:
    """Return the coordinates and paths of `fan_size` at the recorded steps, shape (R, coordinates, paths)."""
    paths, coordinates = fan_size(seen.cell)
    own = kept_coordinates(seen.cell)[:coordinates] if seen.cell.coordinates else slice(coordinates)
    # A copy, since a view would keep the whole block in memory.
    return FirstPaths((seen.block.theta[:, own, : seen.among_first(paths)].copy(),), axis=2)


def distances(seen: MeasuredBlock) -> FirstPaths:
    """Return |theta_n - xi| at the recorded steps of the first `distance_paths` paths, shape (xi, R, paths)."""
    paths = seen.among_first(distance_paths(seen.cell))
    theta = seen.block.theta[..., :paths]
    found = [lengths(seen.errors[k, :, :paths], theta, target[:, :paths]) for k, target in enumerate(seen.targets)]
    return FirstPaths((np.array(found),), axis=2)


def lengths(squares: Array, theta: Array, target: Array) -> Array:
    """Return |theta - target| (steps, paths), given its squares (steps, paths), of theta (steps, dim, paths)."""
    found = np.sqrt(squares)
    if found.size and found.min() >= LEAST_ROOT and found.max() < np.inf:  # neither where one is nan
        return found
    # Where squares leave the range of doubles, as lengths in units of the largest coordinate.
    for r in np.flatnonzero(((found < LEAST_ROOT) | np.isposinf(found)).any(axis=1)):
        away = np.abs(theta[r] - target)
        largest = away.max(axis=0)
        length = largest * np.sqrt(np.square(away / np.where(largest > 0.0, largest, 1.0)).sum(axis=0))
        lost = ((found[r] < LEAST_ROOT) | np.isposinf(found[r])) & np.isfinite(length)
        found[r, lost] = length[lost]
    return found


def kept(seen: MeasuredBlock) -> FirstPaths:
    """Return the recorded paths whole, shape (paths, R, coordinates)."""
    paths = seen.among_first(seen.cell.recorded_paths)
    return FirstPaths((seen.block.theta[:, kept_coordinates(seen.cell), :paths].transpose(2, 0, 1).copy(),), axis=0)


def last_iterate(seen: MeasuredBlock) -> FirstPaths:
    """Return the last iterate of the cell's first path whole, shape (1, dim); where minima are not known."""
    paths = seen.among_first(1) if seen.cell.looks_at_last else 0
    return FirstPaths((seen.block.theta[-1, :, :paths].T.copy(),), axis=0)


def kept_outcome(seen: MeasuredBlock) -> FirstPaths:
    """Return the outcomes of the recorded paths, indices into OUTCOMES, shape (paths,)."""
    return FirstPaths((seen.outcomes[0][: seen.among_first(seen.cell.recorded_paths)],), axis=0)


def kept_failure(seen: MeasuredBlock) -> FirstPaths:
    """Return the steps at which the recorded paths failed, 0 for none, shape (paths,)."""
    return FirstPaths((seen.outcomes[1][: seen.among_first(seen.cell.recorded_paths)],), axis=0)


def fates(seen: MeasuredBlock) -> FirstPaths | None:
    """Return outcome, caught_step, place, speed and start of the first FATE_PATHS paths, shape (5, paths).

    None for an objective that has no orbit.
    """
    p = seen.block.progress
    if p is None:
        return None
    # One array of floats: outcomes and steps are whole numbers that a double holds exactly.
    rows = np.array([seen.outcomes[0], p.caught_step, p.place, p.speed, seen.block.start[0]], dtype=np.float64)
    return FirstPaths((rows[:, : seen.among_first(FATE_PATHS)],), axis=1)


def first_failure(seen: MeasuredBlock) -> FirstFailure | None:
    """Return the earliest failure of the block; None if no path left the finite numbers."""
    return min((FirstFailure(failed.step, failed.replicate) for failed in seen.block.failed), default=None)


def risks(seen: MeasuredBlock) -> Moments | None:
    """Return moments of the risk and the share of wrong classes on held-out examples, shape (2, 1 + R); None without any."""
    examined = seen.block.examined
    return moments(np.array([examined.risk, examined.wrong])) if examined else None


def training_losses(seen: MeasuredBlock) -> Moments | None:
    """Return moments of the training loss, shape (1, 1 + R); None where examples are drawn from a law, or none held out."""
    examined = seen.block.examined
    return None if examined is None or examined.training is None else moments(examined.training[None])


def courses(seen: MeasuredBlock) -> CoMoments | None:
    """Return comoments of `networks.course`; None without held-out examples, or for one recorded step."""
    found = networks.course(seen.block.examined, seen.cell.program.record) if seen.block.examined else None
    return None if found is None else comoments(found)


def noises(seen: MeasuredBlock) -> Moments | None:
    """Return moments of |G|^2 of the mean gradient G and of the gradient's noise, shape (2, Q).

    None without held-out examples.
    """
    examined = seen.block.examined
    return moments(np.array([examined.gradient, examined.noise])) if examined else None


def degraded(seen: MeasuredBlock) -> NDArray[np.int64] | None:
    """Count the degraded paths, in the order of networks.DEGRADED; None without held-out examples."""
    return networks.degraded(seen.block.examined) if seen.block.examined else None


def group_floors(seen: MeasuredBlock) -> Moments | None:
    """Return moments of the floors of each group of coordinates, shape (groups, rows); None for objectives without groups."""
    return moments(seen.groups.floors) if seen.groups else None


def group_trends(seen: MeasuredBlock) -> CoMoments | None:
    """Return comoments of the trends of all groups, group after group; None for objectives without groups."""
    return comoments(seen.groups.trends) if seen.groups else None


def violations(seen: MeasuredBlock) -> int | None:
    """Count the paths that were outside the a priori interval at some step; None where no interval is known.

    A path that became 0/0 was not outside, as long as it was a number; nor was one whose squares of gradients left the range
    of numbers, wherever that led it.
    """
    if seen.bound is None:
        return None
    block, (low, high) = seen.block, seen.bound(seen.block.start)
    # The bound is one of exact arithmetic: each step may round by half an ulp of the iterate.
    rounding = BOUND_ULPS * np.spacing(np.maximum(np.abs(low), np.abs(high)))
    # The kernel's extremes ignore nan, so they are those of the iterates that were numbers.
    inside = (block.lowest >= low - rounding) & (block.highest <= high + rounding)
    outside = ~inside.all(axis=0)
    rule, h, _ = seen.cell.program.optimizer
    undefined = rule.can_be_undefined(h)
    excused = [one.replicate - block.first for one in block.failed if undefined or one.cause == CAUSES[SQUARES]]
    outside[excused] = False
    return int(outside.sum())


def _target(cell: Cell, block: Block, xi: Xi) -> Array:
    """Return xi for every path of the block, broadcastable against (dim, paths)."""
    if xi.point is not None:
        return xi.point[:, None]
    if xi.label == "path_mean":
        assert block.average is not None
        return block.average
    if xi.label == "nearest_minimum":
        assert cell.minima is not None
        return nearest_minimum(cell.minima, block.theta[-1])
    return block.start if xi.label == "start" else np.asarray(block.theta[-1])


def _outcomes(cell: Cell, block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each path's outcome as an index into OUTCOMES, and the step of its failure, shape (paths,) each."""
    last, unit = block.theta[-1], _unit(cell, block)
    # What escaping means on an orbit is the orbit's matter.
    far = block.progress.escaped if block.progress is not None else _escaped(cell, block, unit)
    outcome = np.where(far, OUTCOMES.index("escaped"), OUTCOMES.index("finite"))
    if block.progress is not None:
        outcome[block.progress.caught_step > 0] = OUTCOMES.index("caught")
    failure = np.zeros(last.shape[1], dtype=np.int64)
    for failed in block.failed:
        lane = failed.replicate - block.first
        # A path that was near and is not finite one step later did not grow: something was divided by a number near 0.
        # One that was far grew beyond the range of doubles, also if it is nan: infinity minus infinity within one step.
        grew = failed.before > ESCAPE_UNITS * unit[lane] and failed.cause != CAUSES[SQUARES]
        outcome[lane] = OUTCOMES.index("overflow" if grew else "undefined")
        failure[lane] = failed.step
    return outcome, failure


def _reference(cell: Cell, block: Block) -> Array:
    """Return what a path's distance is measured from, (dim, 1) or (dim, paths): the minimizer, or its start."""
    return block.start if cell.minimizer is None else cell.minimizer[:, None]


def _unit(cell: Cell, block: Block) -> Array:
    """Return the length that distances of each path are compared with, (paths,): of its start, of the data, and what is added.

    It is the distance of the start from the minimizer, or its size, and the length of the data; 1 where neither has one.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        away = block.start if cell.minimizer is None else block.start - _reference(cell, block)
        unit = np.abs(away).max(axis=0)
        unit = np.maximum(unit, max(cell.length, _added_length(cell)))
    return np.where(unit > 0.0, unit, 1.0)


def _jumps(cell: Cell) -> bool:
    """Return whether data, or noise of the gradient, without a mean are passed on."""
    noise = law_of(cell, "noise")
    of_data = cell.law is not None and not cell.law.has_mean and not keeps_moments(cell)
    return of_data or (noise is not None and not noise.has_mean and not is_bounded(cell) and not is_confined(cell))


@lru_cache(maxsize=8)
def _added_length(cell: Cell) -> float:
    """Return the size of what is added to gradients and to data, as far as it is bounded in the long run."""
    noise, drift, found = law_of(cell, "noise"), cell.program.supply.drift, 0.0
    if noise is not None:
        lengths = np.concatenate([noise.length, np.abs(noise.middle)])
        found = float(np.max(lengths, where=np.isfinite(lengths), initial=0.0))
    if drift is not None and cell.drift is not None and not np.isinf(cell.drift).any():
        steps = cell.program.steps
        found = max(found, float(np.abs(drift(np.unique(np.linspace(1.0, steps, min(steps, MOST_SHIFTS)).round()))).max()))
    return found


def _escaped(cell: Cell, block: Block, unit: Array) -> NDArray[np.bool_]:
    """Return which paths are far away at the end and still going, (paths,), in units (paths,) of the problem.

    With an escape_radius: which end further than that from both start and minimizer. Without it none where data have no mean
    and the rule passes large gradients on: one datum then leads as far away as any divergence, and the way back is short.
    """
    last, half = block.theta[-1], block.seen[cell.program.half]
    with np.errstate(over="ignore", invalid="ignore"):
        from_here = np.abs(last - _reference(cell, block)).max(axis=0)
        if cell.escape_radius is not None:
            return np.asarray((np.abs(last - block.start).max(axis=0) > cell.escape_radius) & (from_here > cell.escape_radius))
        if _jumps(cell):
            return np.zeros(len(unit), dtype=np.bool_)
        then = np.abs(half - _reference(cell, block)).max(axis=0)
        return np.asarray((from_here > ESCAPE_UNITS * unit) & (from_here > ESCAPE_GROWTH * then))


def _mark_failures(errors: Array, cell: Cell, block: Block) -> None:
    """Set errors (xi, R, paths) of failed paths: an overflowed path is infinitely far away, from its failure on.

    inf - inf would make it nan one step later. From a xi that depends on the path's end it is so at every step.
    """
    of_the_end = np.array([xi.label in ("path_mean", "last", "nearest_minimum") for xi in cell.xi])[:, None]
    for failed in block.failed:
        lane = failed.replicate - block.first
        marked = of_the_end | (cell.program.record >= failed.step)
        errors[marked, lane] = np.inf if failed.how == "overflow" else np.nan
