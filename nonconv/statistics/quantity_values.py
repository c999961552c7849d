"""Quantities of paths become values: a mean, a quantile, a rate, the share that has passed; each with its interval."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.components.quantity import Asked, Steps
from nonconv.experiment.cell import Cell
from nonconv.experiment.quantities import row_names
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, moments
from nonconv.quantities import bounds
from nonconv.statistics import regrets, survival
from nonconv.statistics.intervals import Intervals, quantity_intervals, signed_intervals, why_infinite
from nonconv.statistics.quantiles import quantiles
from nonconv.statistics.rates import rate
from nonconv.statistics.tally import Tally
from nonconv.system.words import count
from nonconv.theory import risk
from nonconv.theory.moments import finite_moments, infinite_errors, power_is_infinite


class Value(NamedTuple):
    """A row of quantities.csv: a quantity at a step, and what is known of it.

    se, low, high: nan where there is none. n, n_finite: paths it rests on. reason: why it has no interval. note: what must be
    known to read it.
    """

    step: int
    name: str
    value: float
    se: float
    low: float
    high: float
    n: int
    n_finite: int
    reason: str = ""
    note: str = ""


@lru_cache(maxsize=8)
@np.errstate(all="ignore")  # paths that leave the finite numbers are results too
def values(cell: Cell, tally: Tally) -> list[list[Value]]:
    """Return for each quantity of the cell its rows: by name, then by step.

    One with a file of its own has none, nor has one that is not measured of the iterate that the tally is about.
    """
    found = []
    for k, asked in enumerate(cell.quantities):
        there = asked.quantity.measure is None or k in tally.quantities
        found.append(list(OF_KIND[asked.quantity.kind](cell, tally, k, asked)) if there else [])
    return found


def finals(cell: Cell, tally: Tally) -> list[tuple[Asked, Value]]:
    """Return the last row of each name, with its quantity: what the run ends with."""
    of_each = zip(cell.quantities, values(cell, tally), strict=True)
    return list({row.name: (asked, row) for asked, rows in of_each for row in rows}.values())


def _steps(cell: Cell, asked: Asked) -> Steps:
    """Return the steps of a quantity's rows."""
    if "losses" in asked.quantity.needs(asked.parameters):
        return regrets.steps_of(cell)
    return asked.quantity.steps(asked.parameters, cell.program.record, cell.program.steps)


def _means(cell: Cell, tally: Tally, k: int, asked: Asked) -> Iterator[Value]:
    """Yield the mean at each step of a number that is not negative."""
    part, steps = tally.quantities[k], _steps(cell, asked)
    m = part.moments if part.moments is not None else moments(part.first.joined)
    nearest = np.abs(cell.program.record[:, None] - steps).argmin(axis=0)
    maxima = part.moments is None
    power = 2.0 if maxima else risk.power(cell, asked.quantity.name == "gradient_norm")
    yield from _rows(asked, steps, m, quantity_intervals(cell, tally, m, nearest, power, maxima))


def _signed_means(cell: Cell, tally: Tally, k: int, asked: Asked) -> Iterator[Value]:
    """Yield the mean at each step of a number that may be negative."""
    numbers = tally.quantities[k].first.joined
    m, steps = moments(numbers), _steps(cell, asked)
    if "losses" not in asked.quantity.needs(asked.parameters):
        infinite = np.full(len(steps), power_is_infinite(cell, 1.0) != "")
        yield from _rows(
            asked, steps, m, signed_intervals(cell, tally, numbers, finite_moments(cell).order, infinite, "iterates")
        )
        return
    # After one step a regret is at least the loss beyond that of the best point, whose mean is the excess risk. A start that is
    # a point has a finite one.
    begun = steps > 1 if isinstance(cell.program.start, np.ndarray) else steps > 0
    infinite = begun & (cell.best is not None and power_is_infinite(cell, risk.power(cell, False)) != "")
    yield from _rows(asked, steps, m, signed_intervals(cell, tally, numbers, risk.order_of_losses(cell), infinite))


def _rows(asked: Asked, steps: Steps, m: Moments, found: Intervals) -> Iterator[Value]:
    """Yield means with their intervals."""
    for r, step in enumerate(steps.tolist()):
        value, se, low, high = (float(field[r]) for field in found.estimate)
        yield Value(step, asked.label, value, se, low, high, int(m.n[r]), int(m.n_finite[r]), str(found.reasons[r]))


def _distances(cell: Cell, tally: Tally, asked: Asked) -> Array:
    """Return the distances from the xi of a quantity, (R, paths)."""
    found: Array = tally.distances.joined[[xi.label for xi in cell.xi].index(asked.xi)]
    return found


def _quantiles(cell: Cell, tally: Tally, k: int, asked: Asked) -> Iterator[Value]:
    """Yield the quantile at each recorded step; open ends are infinite."""
    ordered = np.sort(_distances(cell, tally, asked), axis=1)
    columns = quantiles(ordered, asked.parameters.level)
    finite = np.isfinite(ordered).sum(axis=1)
    for r, step in enumerate(cell.program.record.tolist()):
        value, low, high = (float(column[r]) for column in columns)
        yield Value(step, asked.label, value, np.nan, low, high, ordered.shape[1], int(finite[r]))


def _rates(cell: Cell, tally: Tally, k: int, asked: Asked) -> Iterator[Value]:
    """Yield the one row of a rate, at the last step that it rests on."""
    numbers = _distances(cell, tally, asked)
    point = cell.xi[[xi.label for xi in cell.xi].index(asked.xi)].point
    size = 0.0 if point is None else float(np.linalg.norm(point))
    found = rate(cell.program.record, numbers, size, cell.deterministic)
    finite = int(np.isfinite(numbers[-1]).sum())
    interval = (found.value, np.nan if cell.deterministic else found.se, found.low, found.high)
    whose = infinite_errors(cell)[[xi.label for xi in cell.xi].index(asked.xi)]
    if whose and finite == numbers.shape[1]:
        # Means of squares that are infinite have no course.
        nothing = (np.nan,) * 4
        yield Value(found.last, asked.label, *nothing, numbers.shape[1], finite, why_infinite(cell, whose))
        return
    yield Value(found.last, asked.label, *interval, numbers.shape[1], finite, found.reason, found.note)


def _passages(cell: Cell, tally: Tally, k: int, asked: Asked) -> Iterator[Value]:
    """Yield the share that has passed at each recorded step, then the median step and the share that is censored."""
    (steps,), last = tally.quantities[k].first.joined, cell.program.steps
    happened, n = np.isfinite(steps), len(steps)
    found = survival.kaplan_meier(np.where(happened, steps, last), happened)
    of_share, of_censored, of_median = row_names(asked)
    record = cell.program.record
    left, low, high = survival.at(found, record.astype(np.float64))
    if cell.deterministic:
        low = high = left
    for r, step in enumerate(record.tolist()):
        yield Value(step, of_share, 1.0 - left[r], np.nan, 1.0 - high[r], 1.0 - low[r], n, n)
    passed = int(happened.sum())
    censored = f"{n - passed} of {n} paths had not passed by step {last}" if passed < n else ""
    yield Value(last, of_censored, left[-1], np.nan, low[-1], high[-1], n, n, "", censored)
    middle = survival.median(found)
    if cell.deterministic:
        middle = middle._replace(low=middle.value, high=middle.value)
    reason = "" if np.isfinite(middle.value) else "fewer than half of the paths passed"
    yield Value(last, of_median, middle.value, np.nan, middle.low, middle.high, n, passed, reason)


def _bounds(cell: Cell, tally: Tally, k: int, asked: Asked) -> Iterator[Value]:
    """Yield how many paths have violated a bound by each step, the bound, and the number of a path nearest to it.

    A count is what was seen, and its own interval; the nearest number is of these paths alone and has none.
    """
    numbers, steps, h = tally.quantities[k].first.joined, _steps(cell, asked), asked.parameters
    bound = bounds.bound_at(h, steps.astype(np.float64))
    kept = bounds.kept(h, numbers, bound)
    violated = ~np.logical_and.accumulate(kept, axis=0)
    counts, finite = violated.sum(axis=1), np.isfinite(numbers).sum(axis=1)
    extremes = np.fmax.reduce(numbers, axis=1) if h.side == "upper" else np.fmin.reduce(numbers, axis=1)
    of_count, of_bound, of_extreme = row_names(asked)
    n, note = numbers.shape[1], _of_the_bound(kept, steps, numbers.shape[1])
    for r, step in enumerate(steps.tolist()):
        yield Value(step, of_count, *(float(counts[r]), 0.0, float(counts[r]), float(counts[r])), n, int(finite[r]), "", note)
    for r, step in enumerate(steps.tolist()):
        yield Value(step, of_bound, float(bound[r]), 0.0, float(bound[r]), float(bound[r]), n, n)
    for r, step in enumerate(steps.tolist()):
        yield Value(step, of_extreme, float(extremes[r]), np.nan, np.nan, np.nan, n, int(finite[r]))


def _of_the_bound(kept: Array, steps: Steps, paths: int) -> str:
    """Say whether paths (steps, paths) keep a bound, and if not when one first does not."""
    seen = f"{count(paths, 'path')} at {count(len(steps), 'recorded step')}"
    broken = ~kept.all(axis=1)
    if not broken.any():
        return f"kept by {seen}"
    return f"violated by {int((~kept.all(axis=0)).sum())} of {seen}, first at step {int(steps[broken.argmax()])}"


def _laws(cell: Cell, tally: Tally, k: int, asked: Asked) -> Iterator[Value]:
    """Yield nothing: a law has a file of its own."""
    yield from ()


OF_KIND: dict[str, Callable[[Cell, Tally, int, Asked], Iterator[Value]]] = {
    "mean": _means,
    "signed mean": _signed_means,
    "quantile": _quantiles,
    "rate": _rates,
    "passage": _passages,
    "law": _laws,
    "bound": _bounds,
}
"""How numbers of paths become rows, for each kind of quantity."""


class Bin(NamedTuple):
    """A bin of a histogram, low < theta <= high, with the share of paths in it, and the distribution function at `high`."""

    low: float
    high: float
    share: float
    below: float
    below_low: float
    below_high: float


MOST_BINS = 64
"""Bins of a histogram between its two tails, at most: four times the cube root of the number of paths."""
TAIL = 0.002
"""The share of paths beyond each end of the equal bins, at most."""


def histogram(numbers: Array) -> list[Bin]:
    """Return the law of numbers (paths,), in equal bins between the extreme quantiles and two open ones beyond.

    Where there are few different numbers each has a bin. nan is in none. The band of the distribution function holds for all
    bins at once with 95 % (Dvoretzky, Kiefer, Wolfowitz; Massart 1990).
    """
    known = np.sort(numbers[~np.isnan(numbers)])
    if not len(known):
        return []
    ends = np.concatenate([_edges(known), [np.inf]])
    below = np.searchsorted(known, ends, side="right") / len(numbers)
    room = np.sqrt(np.log(2.0 / 0.05) / (2.0 * len(numbers)))
    lows, shares = np.concatenate([[-np.inf], ends[:-1]]), np.diff(below, prepend=0.0)
    return [
        Bin(*map(float, (low, high, part, at, max(at - room, 0.0), min(at + room, 1.0))))
        for low, high, part, at in zip(lows, ends, shares, below, strict=True)
    ]


def _edges(known: Array) -> Array:
    """Return the upper ends of all bins but the last, rising, for sorted numbers."""
    different = np.unique(known[np.isfinite(known)])
    if len(different) <= MOST_BINS:
        return different
    outside = int(TAIL * len(known))
    inner = known[outside : len(known) - outside]
    inner = inner[np.isfinite(inner)]
    bins = max(4, min(MOST_BINS, int(4.0 * len(inner) ** (1.0 / 3.0))))
    return np.unique(np.linspace(inner[0], inner[-1], bins + 1)) if len(inner) else different[:MOST_BINS]


def law_numbers(tally: Tally, k: int) -> Array:
    """Return what is kept of a law, (steps, paths)."""
    return tally.quantities[k].first.joined
