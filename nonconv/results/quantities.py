"""quantities.csv and law.csv: quantiles of |theta_n - xi|, which exist for any law, and the quantities that a config asks for.

Intervals of quantiles hold for any law; those of means are withheld where a sample would show too narrow ones.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

import numpy as np

from nonconv.experiment.cell import Cell
from nonconv.experiment.quantities import titles
from nonconv.numerics.arithmetic import Array
from nonconv.results.csv_text import INFINITE, as_csv, in_turn, number, status, with_gaps
from nonconv.results.iterates import of_iterate
from nonconv.statistics.decision import IT_IS_INFINITE
from nonconv.statistics.quantiles import quantile, quantiles
from nonconv.statistics.quantity_values import Value, finals, histogram, law_numbers, values
from nonconv.statistics.tally import Tally

COLUMNS = ("step", "iterate", "quantity", "value", "se", "ci_low", "ci_high", "n", "n_finite")
LAW_COLUMNS = ("step", "iterate", "coordinate", "low", "high", "share", "below", "below_low", "below_high", "n", "n_finite")
LEVELS = {"q50": 0.5, "q90": 0.9, "q99": 0.99}
"""Shares of the paths that are at most as far from xi, by name."""


def quantities_csv(cell: Cell, tally: Tally) -> bytes:
    """Write a row per recorded step, xi and level, then those of the config's quantities.

    A quantile is called by its level and the label of xi: `q50: minimizer`.
    """
    views = list(zip(cell.iterates, tally.views, strict=True))
    quantiles_of_each = (_rows(cell, own, label) for label, own in views)
    return as_csv(COLUMNS, chain(*quantiles_of_each, *(_asked_rows(cell, own, label) for label, own in views)))


def _asked_rows(cell: Cell, tally: Tally, iterate: str) -> Iterator[tuple[Any, ...]]:
    """Yield COLUMNS of each quantity that the config asks for, but for quantiles that are there already.

    Where there is no interval its ends are empty, and so is a value that is not known, as a median that was not reached.
    """
    for rows in values(cell, tally):
        for row in rows:
            if row.name.partition(": ")[0] not in LEVELS:
                unknown = row.reason and not math.isfinite(row.value)
                interval = ("" if math.isnan(end) or (math.isinf(end) and end != row.value) else end for end in row[3:6])
                yield row.step, iterate, row.name, "" if unknown else row.value, *interval, row.n, row.n_finite


def law_csv(cell: Cell, tally: Tally) -> bytes:
    """Write a row per bin of each law that the config asks for: low < theta <= high, and the distribution function there.

    An open end is empty.
    """
    views = zip(cell.iterates, tally.views, strict=True)
    return as_csv(LAW_COLUMNS, chain(*(_law_rows(cell, own, label) for label, own in views)))


def _law_rows(cell: Cell, tally: Tally, iterate: str) -> Iterator[tuple[Any, ...]]:
    """Yield LAW_COLUMNS of one iterate."""
    for k, asked in enumerate(cell.quantities):
        if asked.quantity.kind == "law":
            steps = asked.quantity.steps(asked.parameters, cell.program.record, cell.program.steps).tolist()
            for step, numbers in zip(steps, law_numbers(tally, k), strict=True):
                for found in histogram(numbers):
                    low, high = ("" if math.isinf(end) else end for end in found[:2])
                    finite = int(np.isfinite(numbers).sum())
                    yield step, iterate, asked.parameters.coordinate, low, high, *found[2:], len(numbers), finite


def files(cell: Cell, tally: Tally) -> dict[str, bytes]:
    """Make the data files about quantities, by name."""
    found = {"quantities.csv": quantities_csv(cell, tally)}
    if any(asked.quantity.kind == "law" for asked in cell.quantities):
        found["law.csv"] = law_csv(cell, tally)
    return found


def _status(row: Value) -> str:
    """Say what a value is that JSON has as null: one that is not known, or that is infinite for every sample."""
    if row.reason.startswith(IT_IS_INFINITE):
        return INFINITE
    return "unknown" if row.reason and not math.isfinite(row.value) else status(row.value)


def summary(cell: Cell, tally: Tally) -> list[dict[str, Any]]:
    """Return what the run ends with of each quantity that the config asks for, as JSON has it."""
    return [
        {
            "iterate": iterate,
            "quantity": row.name,
            "name": asked.quantity.name,
            "kind": asked.quantity.kind,
            "title": titles([asked])[row.name],
            "xi": asked.xi,
            "step": row.step,
            "value": number(row.value),
            "status": _status(row),
            "se": number(row.se),
            "ci_low": number(row.low),
            "ci_high": number(row.high),
            "n": row.n,
            "n_finite": row.n_finite,
            "reason": row.reason,
            "note": row.note,
        }
        for iterate, own in zip(cell.iterates, tally.views, strict=True)
        for asked, row in finals(cell, own)
    ]


def last_of(cell: Cell, tally: Tally) -> dict[str, Array]:
    """Return the last number of each of the first paths, of the quantities that are means, by name; (paths,) each.

    Those of averages follow, with the names `of_iterate`.
    """
    found = {}
    for iterate, own in zip(cell.iterates, tally.views, strict=True):
        for k, asked in enumerate(cell.quantities):
            if asked.quantity.kind in ("mean", "signed mean") and k in own.quantities:
                name = asked.label if own is tally.views[0] else of_iterate(asked.label, iterate)
                found[name] = own.quantities[k].first.joined[-1]
    return found


def ends(cell: Cell, tally: Tally) -> dict[str, Array]:
    """Return what the first paths end with of the quantities that are means, as arrays of paths.npz; none without any.

    quantity_end (quantities, paths): nan beyond the paths of a quantity, of which quantity_end_paths (quantities,) has the
    number.
    """
    found = last_of(cell, tally)
    if not found:
        return {}
    most = max(map(len, found.values()))
    padded = [np.concatenate([numbers, np.full(most - len(numbers), np.nan)]) for numbers in found.values()]
    return {
        "quantity_end_of": np.array([*found]),
        "quantity_end": np.array(padded),
        "quantity_end_paths": np.array([len(numbers) for numbers in found.values()]),
    }


def _rows(cell: Cell, tally: Tally, iterate: str) -> Iterator[tuple[Any, ...]]:
    """Return COLUMNS of one iterate. se is empty, as the interval does not rest on one, and so is an open end."""
    ordered = _ordered(tally)
    n, finite = ordered.shape[2], np.isfinite(ordered).sum(axis=2).tolist()
    # An open end is infinite where no path is.
    some_infinite = ~np.isfinite(ordered[:, :, -1])
    found, steps = [], cell.program.record.tolist()
    for k, xi in enumerate(cell.xi):
        for name, level in LEVELS.items():
            value, *ends = quantiles(ordered[k], level)
            low, high = (with_gaps(end, np.isinf(end) & ~some_infinite[k]) for end in ends)
            numbers = value.tolist(), repeat(""), low, high, repeat(n), finite[k]
            found.append(zip(steps, repeat(iterate), repeat(f"{name}: {xi.label}"), *numbers, strict=False))
    return in_turn(found)


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
