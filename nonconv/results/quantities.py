"""quantities.csv: quantiles of |theta_n - xi|, which exist for any law, with intervals that hold for any law."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.results.csv_text import as_csv, number
from nonconv.statistics.quantiles import quantile, quantiles
from nonconv.statistics.tally import Tally

COLUMNS = ("step", "iterate", "quantity", "value", "se", "ci_low", "ci_high", "n", "n_finite")
LEVELS = {"q50": 0.5, "q90": 0.9, "q99": 0.99}
"""Shares of the paths that are at most as far from xi, by name."""


def quantities_csv(cell: Cell, tally: Tally) -> bytes:
    """Write a row per recorded step, xi and level; the quantity is the level's name and the label of xi: `q50: minimizer`."""
    every = zip(cell.iterates, tally.views, strict=True)
    return as_csv(COLUMNS, chain.from_iterable(_rows(cell, own, label) for label, own in every))


def _rows(cell: Cell, tally: Tally, iterate: str) -> Iterator[tuple[Any, ...]]:
    """Yield COLUMNS of one iterate. se is empty, as the interval does not rest on one, and so is an open end."""
    ordered = _ordered(tally)
    n, finite = ordered.shape[2], np.isfinite(ordered).sum(axis=2).tolist()
    # An open end is infinite where no path is.
    some_infinite = ~np.isfinite(ordered[:, :, -1])
    columns = []
    for k, xi in enumerate(cell.xi):
        for name, level in LEVELS.items():
            value, *ends = quantiles(ordered[k], level)
            low, high = (np.where(np.isinf(end) & ~some_infinite[k], "", end.astype(object)).tolist() for end in ends)
            columns.append((f"{name}: {xi.label}", value.tolist(), low, high, finite[k]))
    for r, step in enumerate(cell.program.record.tolist()):
        for label, value, low, high, number_finite in columns:
            yield step, iterate, label, value[r], "", low[r], high[r], n, number_finite[r]


def at(cell: Cell, tally: Tally, k: int, r: int) -> dict[str, dict[str, Any]]:
    """Return the quantiles for xi k at recorded step r by name, as JSON has them."""
    found = {}
    for name, level in LEVELS.items():
        value, low, high = quantile(_ordered(tally)[k, r], level)
        found[name] = {"value": number(value), "ci_low": number(low), "ci_high": number(high)}
    return found


def median_courses(cell: Cell, tally: Tally) -> dict[str, dict[str, Any]]:
    """Return for each xi what the median of |theta_n - xi| did from a quarter of the run on, by the label of xi.

    falls or grows: the intervals at a quarter and at the end have no number in common; else unclear. A median of 0 falls.
    """
    record, found = cell.program.record, {}
    first = int(np.abs(record - cell.program.steps // 4).argmin())
    for k, xi in enumerate(cell.xi):
        early, late = (quantile(_ordered(tally)[k, r], LEVELS["q50"]) for r in (first, -1))
        falls = late.high < early.low or late.high == 0.0
        course = "falls" if falls else "grows" if late.low > early.high else "unclear"
        steps = {"first_step": int(record[first]), "last_step": int(record[-1])}
        found[xi.label] = {"course": course, **steps, "first": number(early.value), "last": number(late.value)}
    return found


@lru_cache(maxsize=2)
def _ordered(tally: Tally) -> Array:
    """Return the distances of the paths in ascending order, nan last, shape (xi, R, paths)."""
    return np.sort(tally.distances.joined, axis=2)
