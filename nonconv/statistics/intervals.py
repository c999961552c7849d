"""Intervals of means over paths, and why there are none where a sample would show too narrow ones.

A mean of squares that is infinite is not estimated: it is nan, with a reason in words, and quantiles stand in for it. Any other
mean keeps its value. Its standard error and interval are nan where squares have no variance, where the rare draws that carry it
are too few, where all paths are equal though the data are noisy, or where few paths dominate it; each time with a reason
(docs/theory.md, Where there is no interval).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Chosen
from nonconv.engine.plan import Plan
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Estimate, Moments, effective_number, estimate, left_the_range, lower_bound, moments
from nonconv.statistics.decision import IT_IS_INFINITE
from nonconv.statistics.floors import rows
from nonconv.statistics.tally import Tally
from nonconv.statistics.trends import FLOOR_TRENDS, ONE_STEP, Trend, trends
from nonconv.theory.limit_point import is_pinned, is_quiet
from nonconv.theory.moments import (
    finite_moments,
    growth,
    infinite_errors,
    infinite_steps,
    is_away_from_start,
    keeps_moments,
    law_of,
    power_is_infinite,
    squares_are_infinite,
)
from nonconv.theory.multiplication import multiplied
from nonconv.theory.tails import Tails, error_tails, floor_tails

FEW_PATHS = 30
"""Below this effective number of paths a mean's t interval is not to be trusted."""
FEW_OF_ALL = 8
"""With fewer than 8 times as many paths, an effective number below an eighth of them is refused instead."""
MANY_OF_ALL = 1.6
"""Where only the sample is known, numbers with fewer than the paths over this as their effective number count as skewed.

That is a coefficient of variation of 0.8, as a log-normal number of spread 0.7 has.
"""
SAME = 1e-12
"""Largest standard error, relative to the mean, that the rounding of equal numbers can leave."""

Reasons = NDArray[np.object_]
"""Why a mean has no interval, a text per mean; empty where it has one."""


NOTHING_RANDOM = "twins share all that is known when they branch, and until this step nothing else is random: 0 proves nothing"
"""Of a twin floor that is 0 because of the order or the hold of the data."""


class Intervals(NamedTuple):
    """Means with their intervals, and why there are none: se, low and high are nan there. All fields have one shape.

    infinite: which means are infinite, so that there is no value either.
    """

    estimate: Estimate
    reasons: Reasons
    infinite: NDArray[np.bool_]


class FloorIntervals(NamedTuple):
    """Floors with their intervals. lower: bounds that hold for all of them at once, with probability 95 %.

    infinite: which floors are.
    """

    estimate: Estimate
    lower: Array
    reasons: Reasons
    infinite: NDArray[np.bool_]


NO_FLOORS = FloorIntervals(
    Estimate(*(np.empty(0) for _ in Estimate._fields)), np.empty(0), np.empty(0, np.object_), np.empty(0, np.bool_)
)


@lru_cache(maxsize=2)
def error_intervals(cell: Cell, tally: Tally) -> Intervals:
    """Return E|theta_n - xi|^2 at the recorded steps, fields of shape (xi, R)."""
    known = error_tails(cell, _remembered(cell, tally))
    started = ~np.array([is_away_from_start(cell, xi.label) for xi in cell.xi])[:, None]
    reasons = _reasons(cell, tally.errors, known, np.tile(_find_equal(cell, tally), (len(cell.xi), 1)), started)
    _add_multiplied(cell, reasons, np.broadcast_to(cell.program.record, reasons.shape))
    infinite = tally.errors.n == tally.errors.n_finite  # a mean that overflows says so itself
    for k, whose in enumerate(infinite_errors(cell)):
        infinite[k] &= whose != ""
        reasons[k, infinite[k]] = why_infinite(cell, whose) if whose else ""
    # At the last step the distance to the last iterate is 0 by definition.
    at_the_end = [xi.label == "last" for xi in cell.xi]
    reasons[at_the_end, -1], infinite[at_the_end, -1] = "", False
    return Intervals(_withhold(_estimate(cell, tally.errors, known), reasons, infinite), reasons, infinite)


@lru_cache(maxsize=2)
def floor_intervals(cell: Cell, tally: Tally) -> FloorIntervals:
    """Return the floors, fields of shape (rows,) in the order of statistics.floors.rows."""
    return _floor_intervals(cell, tally, tally.floors)


def group_floor_intervals(cell: Cell, tally: Tally, group: int) -> FloorIntervals:
    """Return the floors of a group of a network's coordinates, fields of shape (rows,)."""
    assert tally.group_floors is not None
    return _floor_intervals(cell, tally, Moments(*(field[group] for field in tally.group_floors)))


def _floor_intervals(cell: Cell, tally: Tally, floors: Moments) -> FloorIntervals:
    """Return the intervals of floors with these moments."""
    every = rows(cell.program.plan)
    if not every:
        return NO_FLOORS
    known = floor_tails(cell, _remembered(cell, tally))
    nearest = np.abs(cell.program.record[:, None] - [row.step for row in every]).argmin(axis=0)
    # Where no twin moves apart, nothing was seen of noisy data; but a layer of a network may be dead.
    noisy = cell.law is not None and not cell.noiseless
    equal = _find_equal(cell, tally)[nearest] | ((floors.mean == 0.0) & noisy)
    kept, moving = keeps_moments(cell), (squares_are_infinite(cell, with_start=False), infinite_steps(cell))
    started = np.array([not (row.floor.startswith("twin") or kept) for row in every], dtype=np.bool_)
    reasons, infinite = _reasons(cell, floors, known, equal, started), np.zeros(len(every), dtype=np.bool_)
    _add_multiplied(cell, reasons, np.array([row.step for row in every]))
    for k, row in enumerate(every):
        whose = moving[0] if row.floor.startswith("twin") else moving[1]
        if whose and floors.n[k] == floors.n_finite[k]:
            reasons[k], infinite[k] = why_infinite(cell, whose), True
        if row.floor.startswith("twin") and (not cell.noiseless or cell.program.supply.order == "cyclic"):
            until = cell.known_until(row.step - row.lag)
            reasons[k] = NOTHING_RANDOM if until >= row.step else reasons[k]
    # Bonferroni's correction: the errors of all lower bounds together are at most 5 %.
    lower = np.where(reasons == "", lower_bound(floors, 0.05 / len(every)), np.nan)
    return FloorIntervals(_withhold(_estimate(cell, floors, known), reasons, infinite), lower, reasons, infinite)


def sample_intervals(cell: Cell, m: Moments) -> Intervals:
    """Return the means of other non-negative numbers of paths, of which only the sample is known.

    Equal ones are taken as they are: a share of few examples is often the same on all paths.
    """
    reasons = _reasons(cell, m, None, np.zeros(m.n.shape, dtype=np.bool_), np.ones(m.n.shape, dtype=np.bool_))
    none = np.zeros(m.n.shape, dtype=np.bool_)
    return Intervals(_withhold(_estimate(cell, m, None), reasons, none), reasons, none)


def infinite_floors(cell: Cell, tally: Tally) -> dict[str, str]:
    """Return why floors are infinite, by the names of their trends; none that is finite."""
    found, every = floor_intervals(cell, tally), rows(cell.program.plan)
    names = {row.floor: str(found.reasons[k]) for k, row in enumerate(every) if found.infinite[k]}
    named = {**{name: name for name in FLOOR_TRENDS}, ONE_STEP: "twin"}
    return {trend: names[floor] for trend, floor in named.items() if floor in names}


def trend_reasons(cell: Cell, tally: Tally) -> dict[Trend, str]:
    """Return for each trend of a verdict why its mean has no interval; empty where it has one, or where nobody can know.

    A trend of a floor has the reason of that floor, one of an error that of the error at the end of its span.
    """
    floors, errors = floor_intervals(cell, tally).reasons, error_intervals(cell, tally).reasons
    labels, places = tuple(xi.label for xi in cell.xi), _places(cell.program.plan)
    found = {}
    for trend in trends(cell.program.plan, labels):
        if trend in places:
            found[trend] = str(floors[places[trend]])
        elif trend.name.startswith("error: "):
            end = cell.program.plan.spans[trend.span].last
            step = int(np.abs(cell.program.record - end).argmin())
            found[trend] = str(errors[labels.index(trend.name.removeprefix("error: ")), step])
    return found


@lru_cache
def _places(plan: Plan) -> dict[Trend, int]:
    """Return the row of each trend of a floor among `rows`."""
    found = {}
    for k, row in enumerate(rows(plan)):
        if row.floor in FLOOR_TRENDS:
            found[Trend(row.floor, row.span)] = k
        elif row.floor == "twin" and row.lag == 1:
            found[Trend(ONE_STEP, row.span)] = k
    return found


def _withhold(found: Estimate, reasons: Reasons, infinite: NDArray[np.bool_]) -> Estimate:
    """Return the estimates without standard error and interval where there is a reason, without value where it is infinite."""
    se, low, high = (np.where(reasons == "", field, np.nan) for field in found[1:])
    return Estimate(np.where(infinite, np.nan, found.value), se, low, high)


def _estimate(cell: Cell, m: Moments, known: Tails | None) -> Estimate:
    """Return the estimates, with the help that skewed numbers need in small samples."""
    if cell.deterministic:
        return estimate(m)
    by_sample = effective_number(m) < m.n / MANY_OF_ALL
    skewed = by_sample if known is None else known.skewed if known.exact else known.skewed | by_sample
    return estimate(m, skewed=skewed)


@lru_cache(maxsize=2)
def _remembered(cell: Cell, tally: Tally) -> tuple[int, ...]:
    """Return how many steps iterates remember in each span: after so many, twins are half as far apart as later on.

    It is the least of all spans, since rare draws make a twin's distance jump, which looks like a long memory; 1 without twins.
    """
    plan, found = cell.program.plan, []
    every = rows(plan) if plan.wanted.twin else []
    for k, span in enumerate(plan.spans if plan.wanted.twin else ()):
        later = tally.floors.mean[_places(plan)[Trend("twin_mean", k)]]
        distances = tally.floors.mean[[row.floor == "twin" and row.span == k for row in every]]
        half = np.flatnonzero(distances >= later / 2.0)
        found.append(int(span.lags[half[0]]) if len(half) and later > 0.0 else 1)
    return (min(found, default=1),) * len(plan.spans)


def _find_equal(cell: Cell, tally: Tally) -> NDArray[np.bool_]:
    """Return at which recorded steps all paths that are kept are equal, (R,); True where fewer than two are kept."""
    fan = tally.fan.joined
    if fan.shape[2] < 2:
        return np.ones(len(cell.program.record), dtype=np.bool_)
    return np.asarray((fan == fan[:, :, :1]).all(axis=(1, 2)))


@np.errstate(invalid="ignore")
def _reasons(cell: Cell, m: Moments, known: Tails | None, equal: NDArray[np.bool_], started: NDArray[np.bool_]) -> Reasons:
    """Return why means of m have no interval.

    known: what the laws say; None where nothing is known. equal: where all paths are, if their numbers are. started: whether
    the start is in the squares.
    """
    found: Reasons = np.full(m.n.shape, "", dtype=np.object_)
    if not m.n.size or cell.deterministic:
        return found
    n = int(m.n.flat[0])
    if known is None or not known.exact:
        _add_dominated(found, m, n)
    constant = np.sqrt(m.m2) / n <= SAME * np.abs(m.mean)
    # At an end of the domain, and where no datum moves them, all paths may well be equal.
    found[constant & equal & (not is_pinned(cell) and not is_quiet(cell))] = (
        "all paths give the same number though the data are noisy: rare values were not drawn, or steps vanish"
    )
    found[left_the_range(m) & ~equal] = "squares of these numbers leave the range of doubles; take units in which they do not"
    if known is not None:
        for at in np.argwhere(known.paths > n):
            found[*at] = _too_few(cell, known, float(known.paths[*at]), n)
        for whose, (order, culprit) in ((started, (known.order, known.culprit)), (~started, known.of_steps)):
            if not order > 4.0:
                found[np.broadcast_to(whose, found.shape)] = _without_variance(cell, order, culprit)
    found[(m.n_finite < n) | (n < 2)] = ""  # the mean is no number, or one path says it all
    return found


def logged_intervals(m: Moments, by_definition: NDArray[np.bool_] | bool = False) -> Intervals:
    """Return means of squares of trajectories that were logged elsewhere, of whose laws nothing is known but the sample.

    by_definition: which are the same for all runs, as the distance of the last iterate from itself.
    """
    reasons, none = np.where(by_definition, "", _logged_reasons(m)).astype(np.object_), np.zeros(m.n.shape, dtype=np.bool_)
    # Whether squares are much skewed is not known, so few of them are taken to be: an end too far off is the lesser evil.
    return Intervals(_withhold(estimate(m, skewed=True), reasons, none), reasons, none)


def logged_floors(m: Moments) -> FloorIntervals:
    """Return floors of such trajectories, (rows,), with bounds that hold for all of them at once."""
    found = logged_intervals(m)
    lower = np.where(found.reasons == "", lower_bound(m, 0.05 / max(m.n.size, 1)), np.nan)
    return FloorIntervals(found.estimate, lower, found.reasons, found.infinite)


@np.errstate(invalid="ignore")
def _logged_reasons(m: Moments) -> Reasons:
    """Return why means of such trajectories have no interval."""
    found: Reasons = np.full(m.n.shape, "", dtype=np.object_)
    if not m.n.size:
        return found
    n = int(m.n.flat[0])
    _add_dominated(found, m, n)
    found[left_the_range(m)] = "squares of these numbers leave the range of doubles; take units in which they do not"
    found[np.sqrt(m.m2) / n <= SAME * np.abs(m.mean)] = "all runs give the same number, so that nothing shows how runs differ"
    found[(m.n_finite < n) | (n < 2)] = ""  # the mean is no number, or one run says it all
    return found


def _add_dominated(found: Reasons, m: Moments, n: int) -> None:
    """Add the reason of means that few paths carry."""
    carrying = effective_number(m)
    for at in np.argwhere(carrying < min(FEW_PATHS, n / FEW_OF_ALL)):
        found[*at] = _dominated(m, carrying, *at)


def _add_multiplied(cell: Cell, reasons: Reasons, steps: NDArray[np.int64]) -> None:
    """Add why squares at steps, of the shape of reasons, have no interval where each step multiplies distances at random."""
    found = multiplied(cell)
    if found is None or not reasons.size:
        return
    mean, variance = found.lost_from()
    for lost, factor, power, limit in (
        (variance, found.fourth, "fourth power", "squares have no variance"),
        (mean, found.second, "square", "it is infinite"),
    ):
        text = (
            f"paths too rare to be drawn carry it: the mean {power} of a distance grows by a factor {factor:.4g} per step, "
            f"though paths come together, and in the limit {limit}; read the quantiles, or take a smaller learning rate"
        )
        reasons[(steps >= lost)] = text


def _dominated(m: Moments, carrying: Array, *at: int) -> str:
    """Say that few paths carry a mean."""
    largest = float(m.largest[*at] / m.mean[*at] / m.n[*at])
    return (
        f"about {float(carrying[*at]):.1f} of {int(m.n[*at])} paths dominate it (the largest alone is {largest:.0%} of it), "
        "and what was not drawn may weigh more; take ten times as many paths, or read the quantiles"
    )


def _too_few(cell: Cell, known: Tails, paths: float, n: int) -> str:
    """Say that rare draws are too few, or cannot be counted."""
    if math.isinf(paths):
        return (
            f"{_tails_of(cell, known.culprit)}, so that few draws decide it "
            f"and no sample shows their size; read the quantiles, or take larger batches"
        )
    share = f"{100.0 * n / paths:.2g}"
    return (
        f"rare draws decide it, and {n} paths have {share} % of those that an interval needs, so that it would be narrow and "
        f"wrong; take {_round_up(paths)} paths, or read the quantiles"
    )


def _without_variance(cell: Cell, order: float, culprit: str) -> str:
    """Say that squares have no variance, or perhaps none."""
    if math.isnan(order):
        whose = _name_of(cell, culprit)
        return f"the {whose} does not say how heavy its tails are: state fourth, moments and tail_share in its Law"
    passes = _passes_on(cell, culprit)
    if order <= 2.0:
        return f"it may be infinite: {_tails_of(cell, culprit)}{passes}; read the quantiles instead"
    helps = ", or take an optimizer with bounded directions" if passes else ""
    return f"squares have no variance: {_tails_of(cell, culprit)}{passes}; more paths do not help, read the quantiles{helps}"


def why_infinite(cell: Cell, culprit: str) -> str:
    """Say that the mean of squares is infinite. culprit: whose law makes it so."""
    return f"{IT_IS_INFINITE}{_tails_of(cell, culprit)}{_passes_on(cell, culprit)}; read the quantiles instead"


def _tails_of(cell: Cell, culprit: str) -> str:
    """Say which moments a law has."""
    law = law_of(cell, culprit)
    assert law is not None
    return f"the {_name_of(cell, culprit)} has moments below order {law.finite_moments:g} only"


def _passes_on(cell: Cell, culprit: str) -> str:
    """Say that the rule passes the tails of data on, and what power of a datum a gradient is; nothing of a start."""
    if culprit == "start":
        return ""
    power, superlinear = growth(cell)
    plain = culprit == "noise" or (abs(power - 1.0) < 0.01 and not superlinear)
    taken = "" if plain else f", gradients grow like its power {power:.3g}"
    taken += " and faster than theta" if superlinear else ""
    return f"{taken}, and {cell.program.optimizer.component.name} passes large gradients on"


def _name_of(cell: Cell, culprit: str) -> str:
    """Name the law that limits moments: that of the data where none does."""
    start, noise = cell.program.start, cell.program.noise
    if culprit == "start" and isinstance(start, Chosen):
        return f"law of the start ({start.component.name})"
    if culprit == "noise" and noise is not None:
        return f"law of the gradient noise ({noise.component.name})"
    return f"law of the data ({cell.program.data.component.name})"


def _round_up(number: float) -> int:
    """Round up to two digits."""
    unit = 10 ** max(math.floor(math.log10(number)) - 1, 0)
    return int(math.ceil(number / unit) * unit)


def quantity_intervals(
    cell: Cell, tally: Tally, m: Moments, nearest: NDArray[np.int64], power: float, maxima: bool = False
) -> Intervals:
    """Return means of numbers that grow as |theta_n - xi|^power, with these moments (rows,).

    nearest (rows,): the numbers of the recorded steps that they are about. maxima: over steps, which may be equal on all paths
    where iterates differ.
    """
    known = error_tails(cell, _remembered(cell, tally))
    # That of the last iterate knows of fewer draws.
    k = next((k for k, xi in enumerate(cell.xi) if xi.label not in ("last", "path_mean")), 0)
    # What the tails say is about squares.
    scaled = known.order * 2.0 / power if power > 0.0 else math.inf
    own = known._replace(order=scaled, paths=known.paths[k, nearest], skewed=known.skewed[k, nearest])
    equal = np.ones(m.n.shape, dtype=np.bool_) if maxima else _find_equal(cell, tally)[nearest]
    reasons, infinite = _reasons(cell, m, own, equal, np.ones(m.n.shape, dtype=np.bool_)), m.n == m.n_finite
    whose = power_is_infinite(cell, power)
    infinite &= whose != ""
    if infinite.any():  # of networks no law is known
        reasons[infinite] = why_infinite(cell, whose)
    if power == 2.0:
        # Squares of distances that have no interval have none in another unit.
        of_errors = error_intervals(cell, tally)
        of_these = of_errors.reasons[k, nearest]
        reasons, infinite = np.where(of_these != "", of_these, reasons), infinite | of_errors.infinite[k, nearest]
    return Intervals(_withhold(_estimate(cell, m, own), reasons, infinite), reasons, infinite)


def signed_intervals(
    cell: Cell, tally: Tally, numbers: Array, order: float, infinite: NDArray[np.bool_], what: str = "losses"
) -> Intervals:
    """Return means of numbers (rows, paths) that may be negative. order: moments below it exist; nan if that is not known.

    infinite (rows,): which means are, since the excess risk is. what: the numbers are made of, in words.
    """
    m = moments(numbers)
    reasons: Reasons = np.full(m.n.shape, "", dtype=np.object_)
    if not cell.deterministic and numbers.shape[1] > 1:
        n = numbers.shape[1]
        with np.errstate(all="ignore"):
            away = np.square(numbers - m.mean[:, None])
            carrying = np.square(away.sum(axis=1)) / np.square(away).sum(axis=1)
        for row in np.flatnonzero(carrying < min(FEW_PATHS, n / FEW_OF_ALL)):
            reasons[row] = f"about {float(carrying[row]):.1f} of {n} paths make its spread; take ten times as many paths"
        constant = np.sqrt(m.m2) / n <= SAME * np.abs(m.mean)
        reasons[constant] = "all paths give the same number though the data are noisy"
        if not order > 2.0:
            whose = _name_of(cell, "data")
            known = (
                "does not say how heavy its tails are"
                if cell.law is None
                else f"has moments below order {cell.law.moments:g} only"
            )
            reasons[...] = f"{what} may have no variance: the {whose} {known}"
        reasons[m.n_finite < n] = ""  # the mean is no number
    infinite = infinite & (m.n_finite == m.n)
    if infinite.any():
        reasons[infinite] = why_infinite(cell, finite_moments(cell).culprit)
    return Intervals(_withhold(estimate(m), reasons, infinite), reasons, infinite)
