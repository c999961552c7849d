"""What a verdict compares between spans: numbers per path whose means are followed from one span to the next."""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nonconv.engine.plan import Plan
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.floors import iterates, mean_square, rows

if TYPE_CHECKING:
    from nonconv.engine.blocks import Block

FLOOR_TRENDS = ("twin_mean", "window", "cauchy_mean")
LAST_SQUARE, WINDOW_ENDS, ONE_STEP = "size", "ends", "one_step"


class Trend(NamedTuple):
    """A number per path, of which span: a floor of FLOOR_TRENDS, or `error: xi` averaged over one step of each stratum.

    LAST_SQUARE: the square of the iterate at the span's last step, which rounding errors are compared with. WINDOW_ENDS:
    cauchy at the longest lag. ONE_STEP: twin at lag 1.
    """

    name: str
    span: int


@lru_cache
def trends(plan: Plan, xi: tuple[str, ...]) -> list[Trend]:
    """Return what is followed with these labels of xi, in the order of `followed`; nothing in a run too short for spans."""
    spans = range(len(plan.spans))
    kinds = [name for name in FLOOR_TRENDS if getattr(plan.wanted, name.removesuffix("_mean"))]
    found = [Trend(name, k) for name in kinds for k in spans] + [Trend(f"error: {label}", k) for label in xi for k in spans]
    if not plan.spans:
        return []
    found += [Trend(name, k) for name in (LAST_SQUARE, WINDOW_ENDS) for k in spans]
    if plan.wanted.twin:
        found += [Trend(ONE_STEP, k) for k in spans]
    return found


def followed(plan: Plan, block: "Block", floors: Array, targets: list[Array]) -> Array:
    """Return every trend for every path, shape (trends, paths), in the order of `trends`.

    floors (rows, paths): as `floors.measured` returns them. targets: each xi, broadcastable against (dim, paths).
    """
    # Floors are measured already, so their rows are only picked.
    at = {(row.floor, row.span): k for k, row in enumerate(rows(plan))}
    found = [floors[[at[trend] for trend in trends(plan, ()) if trend.name in FLOOR_TRENDS]]]
    with np.errstate(over="ignore", invalid="ignore"):
        for target in targets:
            found += [mean_square(sampled - target) for sampled in block.sampled]
        first, last = (iterates(block, steps) for steps in np.array([[span.first, span.last] for span in plan.spans]).T)
        found += [np.square(last).sum(axis=1), np.square(last - first).sum(axis=1) / 4.0]
    if plan.wanted.twin:
        one_step = [k for k, row in enumerate(rows(plan)) if row.floor == "twin" and row.lag == 1]
        found.append(floors[one_step])
    return np.concatenate(found)
