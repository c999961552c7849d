"""What a verdict compares between spans: numbers per path whose means are followed from one span to the next."""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nonconv.engine.plan import Plan, Span
from nonconv.numerics.arithmetic import Array
from nonconv.statistics.floors import early_twin, iterates, rows

if TYPE_CHECKING:
    from nonconv.engine.blocks import Block

FLOOR_TRENDS = ("twin_mean", "window", "cauchy_mean")
EARLY_TWIN, LAST_SQUARE, WINDOW_ENDS = "early", "size", "ends"


class Trend(NamedTuple):
    """A number per path, of which span: a floor of FLOOR_TRENDS, or `error: xi` averaged over the window.

    Of the last span alone also EARLY_TWIN: twin_mean at shorter lags. WINDOW_ENDS: cauchy at the longest lag. LAST_SQUARE:
    the square of the last iterate, which rounding errors are compared with.
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
    last = len(spans) - 1
    return [
        *found,
        Trend(LAST_SQUARE, last),
        Trend(WINDOW_ENDS, last),
        *([Trend(EARLY_TWIN, last)] if plan.wanted.twin else []),
    ]


def followed(plan: Plan, block: "Block", floors: Array, targets: list[Array]) -> Array:
    """Return every trend for every path, shape (trends, paths), in the order of `trends`.

    floors (rows, paths): as `floors.measured` returns them. targets: each xi, broadcastable against (dim, paths).
    """
    at = {(row.floor, row.span): k for k, row in enumerate(rows(plan))}
    # Floors are measured already, so their rows are only picked.
    own = [trend for trend in trends(plan, ()) if trend.name in FLOOR_TRENDS]
    found = [floors[[at[trend.name, trend.span] for trend in own]]] if own else [floors[:0]]
    with np.errstate(over="ignore", invalid="ignore"):
        for target in targets:
            for span in plan.spans:
                away = iterates(block, span.window) - target
                found.append(np.square(away).sum(axis=1).mean(axis=0)[None])
        if plan.spans:
            found += [np.square(block.seen[-1]).sum(axis=0)[None], _half_gap(block, plan.spans[-1])]
    if plan.wanted.twin and plan.spans:
        found.append(early_twin(plan, block))
    return np.concatenate(found)


def _half_gap(block: "Block", span: Span) -> Array:
    """Return a quarter of the squared distance between the ends of the span, (1, paths): cauchy at the longest lag."""
    first, last = iterates(block, np.array([span.first, span.last]))
    return np.asarray(np.square(last - first).sum(axis=0)[None] / 4.0)
