"""When enough paths are simulated: a rule on whole blocks, so that their number is a function of the config alone."""

import math
from collections.abc import Iterator

from nonconv.engine.blocks import block_size
from nonconv.experiment.cell import Cell, Stopping
from nonconv.statistics.floors import last_floors
from nonconv.statistics.intervals import error_intervals, floor_intervals
from nonconv.statistics.tally import Tally

LOOK_GROWTH = 1.25
"""Factor between the numbers of paths at two looks: the more often one looks, the more often chance alone stops the run."""


def is_enough(cell: Cell, tally: Tally) -> bool:
    """Return whether no more paths of the cell are needed: it has them all, or its stopping rule is met at a look."""
    if tally.paths >= cell.paths:
        return True
    rule = cell.stopping
    if rule is None or tally.paths not in looks(rule.least, block_size(cell.program), tally.paths):
        return False
    error = relative_error(cell, tally, rule)
    return error <= rule.target or math.isnan(error)  # more paths do not make a mean finite


def looks(least: int, block: int, most: int) -> Iterator[int]:
    """Yield the numbers of paths, up to `most`, at which the rule is tested: whole blocks, from `least` on."""
    # Rounded up to whole blocks, which are what a tally has.
    paths = -(-least // block) * block
    while paths <= most:
        yield paths
        paths = max(paths + block, math.ceil(paths * LOOK_GROWTH / block) * block)


def relative_error(cell: Cell, tally: Tally, rule: Stopping) -> float:
    """Return standard error over mean of the quantity that the rule is about.

    It is nan where that is not finite, 0 for a mean of 0, and inf where it has no interval: no precision is known then.
    """
    found = error_intervals(cell, tally) if rule.of == "mse" else floor_intervals(cell, tally)
    place = (0, -1) if rule.of == "mse" else last_floors(cell.program.plan)[rule.of]
    value, se = float(found.estimate.value[place]), float(found.estimate.se[place])
    if found.reasons[place] and math.isfinite(value):
        return math.inf
    return se / value if value and math.isfinite(value) else 0.0 if value == 0 else math.nan
