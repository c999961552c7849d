"""What a tally keeps of each quantity that a config asks for, how it is measured, and how two parts merge."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nonconv.components.quantity import Asked
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import Moments, merge, moments
from nonconv.statistics import regrets
from nonconv.statistics.measured_block import DISTANCE_PATHS, MeasuredBlock
from nonconv.statistics.observed import Observed
from nonconv.statistics.parts import Arrays, FirstPaths, Kind, first_paths

MOST_STEPS_AGAIN = 2**30
"""Most steps, of all paths and coordinates together, that are made again for quantities that need every step."""
FEWEST_AGAIN = 256
"""Paths that are simulated again in any case."""
MOST_QUANTITIES = 32
"""As many as a config may ask for."""


class Part(NamedTuple):
    """What is kept of one quantity.

    moments: over all paths, fields (steps,); None where only the first paths are measured. first: numbers of the first paths,
    (steps, paths), of all its steps or, beside moments, of the last.
    """

    moments: Moments | None
    first: FirstPaths


Parts = Mapping[int, Part]
"""By the number of the quantity in the config; one that is read off other statistics has none."""


def paths_of(cell: Cell, asked: Asked) -> int:
    """Return how many first paths are measured, or kept of those that are: a function of the config alone."""
    if asked.quantity.of_averages:  # recorded steps are enough
        return DISTANCE_PATHS
    if "losses" in asked.quantity.needs(asked.parameters):
        return regrets.paths_of(cell)
    return int(np.clip(MOST_STEPS_AGAIN // (cell.program.steps * cell.program.dim), FEWEST_AGAIN, DISTANCE_PATHS))


def measured(seen: MeasuredBlock) -> Parts:
    """Measure every quantity that the cell asks for; of averages those that recorded steps are enough for."""
    views: dict[int, Observed] = {}
    found = {}
    for k, asked in enumerate(seen.cell.quantities):
        if asked.quantity.measure is not None and (seen.again or asked.quantity.of_averages):
            kept = seen.among_first(paths_of(seen.cell, asked))
            paths = seen.paths if asked.quantity.every_path else kept
            # Shared, since two quantities may read the same losses.
            view = views.setdefault(paths, Observed(seen, paths))
            found[k] = _part(asked, view, kept) if paths else Part(None, _first(np.empty((0, 0))))
    return found


def _part(asked: Asked, view: Observed, kept: int) -> Part:
    """Measure one quantity; of one that all paths have, keep the moments, and the last numbers of the first paths."""
    assert asked.quantity.measure is not None
    numbers = asked.quantity.measure(asked.parameters, view)
    if asked.quantity.every_path:
        return Part(moments(numbers), _first(numbers[-1:, :kept].copy()))
    return Part(None, _first(numbers))


def _first(numbers: Array) -> FirstPaths:
    """Return numbers (steps, paths) as a part."""
    return FirstPaths((numbers,), axis=1)


FIRST = first_paths(axis=1)


def _merged(a: Parts, b: Parts) -> Parts:
    """Return the parts of both."""
    return {k: Part(_merged_moments(a[k].moments, b[k].moments), FIRST.merge(a[k].first, b[k].first)) for k in a}


def _merged_moments(a: Moments | None, b: Moments | None) -> Moments | None:
    """Return the moments of both; None where there are none."""
    return None if a is None or b is None else merge(a, b)


def _arrays(parts: Parts) -> Arrays:
    """Return the arrays of all parts, by number and field."""
    found = {f"{k}_first": part.first.joined for k, part in parts.items()}
    for k, part in parts.items():
        if part.moments is not None:
            found |= {f"{k}_{field}": array for field, array in part.moments._asdict().items()}
    return found


def _restored(arrays: Arrays) -> Parts:
    """Return the parts that have these arrays."""
    return {k: _restored_part(arrays, k) for k in range(MOST_QUANTITIES) if f"{k}_first" in arrays}


def _restored_part(arrays: Arrays, k: int) -> Part:
    """Return part number k."""
    of_all = {field: arrays[f"{k}_{field}"] for field in Moments._fields if f"{k}_{field}" in arrays}
    return Part(Moments(**of_all) if of_all else None, _first(arrays[f"{k}_first"]))


BY_QUANTITY: Kind[Parts] = Kind(
    tuple(f"{k}_{field}" for k in range(MOST_QUANTITIES) for field in ("first", *Moments._fields)), _merged, _arrays, _restored
)
