"""Lower bounds that hold for every xi: twin distances, variances within a window, Cauchy gaps; first per path, then over paths.

With spans (m, l] of the plan, one row each:
    twin       |Theta_n - Theta'_n|^2 / 2 at n = m + lag; Theta' branched off Theta at m and has its own data since
    twin_mean  the same, averaged over the window's steps in the last half of the span
    window     the variance of the path over the window's steps
    cauchy     |Theta_{m + lag} - Theta_m|^2 / 4
    cauchy_mean the same of the window's steps and those half a span later, averaged over these pairs
Each has an expectation that is at most E|Theta_n - xi|^2 for every random variable xi, at n as m -> infinity (twin), averaged
over its steps (twin_mean, window), or averaged over the steps compared (cauchy, cauchy_mean): docs/theory.md.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nonconv.engine.plan import Plan, Span, Steps
from nonconv.numerics.arithmetic import Array

if TYPE_CHECKING:
    from nonconv.engine.blocks import Block


class Row(NamedTuple):
    """What one row of `measured` is: its floor, the span by number, the last step it looks at, and the lag after the branch."""

    floor: str
    span: int
    step: int
    lag: int


@lru_cache
def rows(plan: Plan) -> list[Row]:
    """Return what each row of `measured` is, in its order: span after span, for the floors that the plan lists."""
    wanted, found = plan.wanted, []
    for k, span in enumerate(plan.spans):
        whole = span.last - span.first
        lagged = [(k, span.first + int(lag), int(lag)) for lag in span.lags]
        if wanted.twin:
            found += [*(Row("twin", *at) for at in lagged), Row("twin_mean", k, span.last, whole)]
        if wanted.window:
            found.append(Row("window", k, span.last, whole))
        if wanted.cauchy:
            found += [*(Row("cauchy", *at) for at in lagged), Row("cauchy_mean", k, span.last, whole // 2)]
    return found


LAST_SPAN_NAMES = {"twin_mean": "twin", "window": "window", "cauchy_mean": "cauchy"}
"""The name that tables and verdicts give a floor of the last span."""


@lru_cache
def last_floors(plan: Plan) -> dict[str, int]:
    """Return the floors of the last span by name: the index of each in `rows`."""
    last = len(plan.spans) - 1
    found = ((LAST_SPAN_NAMES.get(row.floor), k) for k, row in enumerate(rows(plan)) if row.span == last)
    return {name: k for name, k in found if name is not None}


def measured(plan: Plan, block: "Block") -> Array:
    """Return the floors of every path, shape (rows, paths), in the order of `rows`; not finite for a path that is not."""
    # An empty first part, so that there is something to concatenate if no floor is wanted.
    wanted, found = plan.wanted, [np.empty((0, block.seen.shape[2]))]
    with np.errstate(over="ignore", invalid="ignore"):
        for k, span in enumerate(plan.spans):
            if wanted.twin:
                half = half_distance(block, k, span)
                found += [half[_find_indices(span.twin_marks, span.first + span.lags)], _mean_at(half, span, span.late)]
            if wanted.window:
                found.append(iterates(block, span.window).var(axis=0).sum(axis=0)[None])
            if wanted.cauchy:
                gaps = iterates(block, span.first + span.lags) - iterates(block, np.array([span.first]))
                found += [_square(gaps) / 4.0, _half_apart(iterates(block, span.window)).mean(axis=0)[None] / 4.0]
    return np.concatenate(found)


def _half_apart(window: Array) -> Array:
    """Return squared distances of steps half a window apart, shape (pairs, paths)."""
    half = len(window) // 2
    return _square(window[half:] - window[: len(window) - half])


def half_distance(block: "Block", number: int, span: Span) -> Array:
    """Return |Theta - Theta'|^2 / 2 at the twin_marks of the span with this number, shape (marks, paths)."""
    return _square(iterates(block, span.twin_marks) - block.twins[number]) / 2.0


def early_twin(plan: Plan, block: "Block") -> Array:
    """Return twin_mean of the last span over its second quarter, (1, paths).

    Compared with twin_mean itself it shows whether the distance still grows with the lag.
    """
    span = plan.spans[-1]
    with np.errstate(over="ignore", invalid="ignore"):
        return _mean_at(half_distance(block, len(plan.spans) - 1, span), span, span.middle)


def iterates(block: "Block", steps: Steps) -> Array:
    """Return the iterates at steps that are among the block's marks, shape (steps, dim, paths)."""
    return block.seen[_find_indices(block.marks, steps)]


def _mean_at(half: Array, span: Span, steps: Steps) -> Array:
    """Average half distances (marks, paths) over these steps, shape (1, paths)."""
    return np.asarray(half[_find_indices(span.twin_marks, steps)].mean(axis=0)[None])


def _find_indices(marks: Steps, steps: Steps) -> Steps:
    """Return the indices of steps among rising marks that contain them."""
    return np.searchsorted(marks, steps)


def _square(difference: Array) -> Array:
    """Return squared norms over coordinates: (steps, dim, paths) -> (steps, paths)."""
    return np.asarray(np.square(difference).sum(axis=1))
